"""Scales: bowls whose gradients are far from one, all together or block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

CURVATURES = {"flat": 1e-4, "middle": 1.0, "steep": 1e4}
"""Of the blocks of `block_scale15`, by the name of the parameter."""


@dataclass(frozen=True)
class ScaleTiny(Sphere10):
    """f(x) = 1e-8 · ½ ‖x - m‖², m drawn from N(0, 1) per seed.

    Source: BBOB f1 (Hansen et al. 2009), times a constant.
    Shapes: x (10,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes the size and the place of epsilon: all gradients are 1e-8 or less, and their squares 1e-16.
    """

    name: ClassVar[str] = "scale_tiny"
    source: ClassVar[str] = "BBOB f1 (Hansen et al. 2009), times a constant"
    scale: ClassVar[float] = 1e-8


@dataclass(frozen=True)
class ScaleHuge(Sphere10):
    """f(x) = 1e6 · ½ ‖x - m‖², m drawn from N(0, 1) per seed.

    Source: BBOB f1 (Hansen et al. 2009), times a constant.
    Shapes: x (10,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes hidden clipping, and step sizes that have not been divided by the size of the gradient.
    """

    name: ClassVar[str] = "scale_huge"
    source: ClassVar[str] = "BBOB f1 (Hansen et al. 2009), times a constant"
    scale: ClassVar[float] = 1e6


@dataclass(frozen=True)
class BlockScale15(Task):
    """f(x, y, z) = ½ (1e-4 ‖x - a‖² + ‖y - b‖² + 1e4 ‖z - c‖²): three blocks, a curvature for each.

    Source: `layer_wise_scale` of LightBench, with an evaluation that no block can hide from.
    Shapes: three parameters of (5,), as layers would be; each start is N(0, 0.1²), and a, b and c are
    drawn from N(0, 1) per seed.
    Optimum: f* = 0 at (a, b, c). It is not the origin, where plain weight decay would find it without a gradient. The
    evaluation is ½ (‖x - a‖² + ‖y - b‖² + ‖z - c‖²), which has the same optimum: in f itself, the flat block counts for
    nothing beside the steep one, and would not have to be solved.

    Exposes one step size for all parameters, where only a diagonal preconditioner gets all three blocks to move.
    """

    name: ClassVar[str] = "block_scale15"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "layer_wise_scale of LightBench, evaluated block by block"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 500

    dimension: int = knob(5, least=1)
    """Of each of the three blocks."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {f"centre_{name}": normal(streams.data, self.dimension) for name in CURVATURES}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {name: self.jitter * normal(streams.init, self.dimension) for name in CURVATURES}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        flat, middle, steep = self._blocks(parameters, constants)
        return CURVATURES["flat"] * flat + CURVATURES["middle"] * middle + CURVATURES["steep"] * steep

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        flat, middle, steep = self._blocks(parameters, constants)
        return flat + middle + steep

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {name: constants[f"centre_{name}"].clone() for name in CURVATURES}

    def _blocks(self, parameters: Tensors, constants: Tensors) -> list[Tensor]:
        """Half the squared distance to the optimum in each block, at curvature one."""
        return [0.5 * (parameters[name] - constants[f"centre_{name}"]).square().sum() for name in CURVATURES]
