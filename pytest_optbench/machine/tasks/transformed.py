"""Transformed bowls: the easiest problem there is, in other units or through another function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class ReparamScale(ExactTask):
    """f(x, y) = ½ ‖s x - a‖² + ½ ‖y / s - b‖² with s = 10: two layers, one in units of 1/s and one in units of s.

    Source: `Rescale` in the code of Wichrowska et al. 2017, arXiv 1703.04813; `ReparamWeights` of learned_optimization
    (Metz et al. 2022, arXiv 2203.11860).
    Shapes: two parameters of (32,); each start is N(0, 0.1²) in its own units, a and b are drawn from N(0, 1) per seed.
    Optimum: f* = 0 at x = a / s and y = s b. It is not the origin, where plain weight decay would find it without a
    gradient.

    Exposes step sizes that do not follow the size of the parameters: the way to the optimum is s² times as long in y as
    in x, where the gradient is s² times smaller. With 5 coordinates each, AdamW was fastest at lr 3, by luck: it missed
    on 8 of 32 seeds.
    """

    name: ClassVar[str] = "reparam_scale"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Rescale, Wichrowska et al. 2017 (arXiv 1703.04813)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    dimension: int = knob(32, least=1)
    """Of each of the two parameters."""
    scale_of_y: float = knob(10.0, above=0, harder="more")
    """The units s."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin, in its own units."""

    def private(self, streams: Streams) -> Tensors:
        return {f"centre_{name}": normal(streams.data, self.dimension) for name in ("small", "large")}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        small, large = (self.jitter * normal(streams.init, self.dimension) for _ in range(2))
        return {"small": small / self.scale_of_y, "large": large * self.scale_of_y}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        small = self.scale_of_y * parameters["small"] - constants["centre_small"]
        large = parameters["large"] / self.scale_of_y - constants["centre_large"]
        return 0.5 * (small.square() + large.square()).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {
            "small": constants["centre_small"] / self.scale_of_y,
            "large": constants["centre_large"] * self.scale_of_y,
        }


@dataclass(frozen=True)
class LogObjective(Sphere10):
    """f(x) = ln(½ ‖x - m‖² + ε) - ln ε with ε = 1e-4.

    Source: `LogObjective` in the code of Wichrowska et al. 2017, arXiv 1703.04813.
    Shapes: x (10,); the start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Optimum: f* = 0 at m, since ln ε is taken off. It is not the origin, where plain weight decay would find it without
    a gradient.

    Exposes step sizes that have been found far away: the gradient grows on the way, up to 70 at a distance of √(2ε),
    and the curvature there is 1/ε.
    """

    name: ClassVar[str] = "log_objective"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic"})
    source: ClassVar[str] = "LogObjective, Wichrowska et al. 2017 (arXiv 1703.04813)"
    horizon: ClassVar[int] = 500

    epsilon: float = knob(1e-4, above=0, harder="less")
    """What keeps the logarithm finite at the minimum."""

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return torch.log1p(super().value(parameters, constants) / self.epsilon)
