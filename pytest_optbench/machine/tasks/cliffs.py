"""Cliffs: walls in the landscape where the gradient is orders of magnitude larger than anywhere else."""

from __future__ import annotations

import math
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
class GradientCliff(ExactTask):
    """f(x) = ½ ‖u‖² + e⁻³ (exp(6 s) - 1 - 6 s) with u = x - m and s = n·u: a bowl that ends at an exponential wall.

    Source: after the cliffs of Pascanu et al. 2013, arXiv 1211.5063.
    Shapes: x (10,), the normal n (10,) of the wall, a random unit vector per seed; the start is N(0, 0.1²), and m is
    such that at the origin s = 1, up on the wall, and the rest of u is N(0, 1).
    Optimum: f* = 0 at m: the wall is the convex exp(6 s - 3) less its tangent at s = 0, so that both terms have their
    minimum there. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes what one large gradient does: at the start it is some 100 times as large as on the other side of the bowl.
    Without clipping that is a leap across it, in an average of squares it is remembered for long, and whoever
    overshoots the minimum by too much is at the wall again. At a rate of 4, AdamW needs 90 steps to a ten-thousandth
    of the start, at 6 it is 200, and at 8 it got there on 9 of 16 seeds within 800.
    """

    name: ClassVar[str] = "gradient_cliff"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "rotated"})
    source: ClassVar[str] = "after the cliffs of Pascanu et al. 2013 (arXiv 1211.5063)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 800

    dimension: int = knob(10, least=2)
    rate: float = knob(6.0, above=0)
    """Of the exponential: the wall doubles its height every ln 2 / rate."""
    jitter: float = knob(0.05, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        normal_vector = normal(streams.data, self.dimension)
        normal_vector = normal_vector / normal_vector.norm()
        along = normal(streams.data, self.dimension)
        along = along - (along @ normal_vector) * normal_vector
        return {"normal": normal_vector, "centre": -(normal_vector + along)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        distance = parameters["x"] - constants["centre"]
        towards = self.rate * (constants["normal"] * distance).sum()
        return 0.5 * distance.square().sum() + math.exp(-self.rate / 2) * (torch.expm1(towards) - towards)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}
