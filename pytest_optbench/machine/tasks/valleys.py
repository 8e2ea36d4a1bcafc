"""Valleys: curved and narrow paths to a known minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class Rosenbrock2(ExactTask):
    """f(x, y) = (1 - x)² + 100 (y - x²)².

    Source: Rosenbrock 1960; BBOB f8 (Hansen et al. 2009).
    Shapes: x (2,), which holds both coordinates; the start is (-1.2, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (1, 1), a sum of squares that vanish together only there.

    Exposes stale directions: the valley bends, and its floor is flat where its walls are steep.
    """

    name: ClassVar[str] = "rosenbrock2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Rosenbrock 1960, BBOB f8 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 3000

    steepness: float = knob(100.0, above=0, harder="more")
    """Weight of the valley's walls."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around (-1.2, 1)."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": torch.tensor([-1.2, 1.0], dtype=torch.float32) + self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        return (1 - x).square() + self.steepness * (y - x.square()).square()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.ones(2)}


@dataclass(frozen=True)
class Beale(ExactTask):
    """f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)².

    Source: Beale 1958; DeepOBS (Schneider et al. 2019, arXiv 1903.05499) has it with noise.
    Shapes: x (2,), which holds both coordinates; the start is (1, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (3, 0.5), where each of the three squares vanishes.

    Exposes one step size for two terrains: a steep ridge near y = 1, then a long valley that is almost flat.
    """

    name: ClassVar[str] = "beale"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Beale 1958, DeepOBS (Schneider et al. 2019, arXiv 1903.05499)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1500

    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around (1, 1)."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": 1 + self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        first, second, third = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
        return first.square() + second.square() + third.square()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.tensor([3.0, 0.5])}
