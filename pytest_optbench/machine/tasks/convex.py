"""Convex functions that are no quadratics: their curvature changes on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import distances, normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.landscape import ShiftedLandscape
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class DifferentPowers10(ExactTask):
    """f(x) = Σ |xᵢ - mᵢ|^pᵢ, powers p evenly spaced from 2 to 6, m per seed.

    Source: BBOB f14 (Hansen et al. 2009), without its rotation, and without its square root: that has a cusp at the
    minimum, where it has no gradient.
    Shapes: x (10,); the start is N(0, 0.1²), every |mᵢ| is uniform in 0.5 to 1.5, of random sign.
    Optimum: f* = 0 at m, a sum of powers. It is not the origin, where plain weight decay would find it.

    Exposes curvature that vanishes at another rate in every coordinate.
    """

    name: ClassVar[str] = "different_powers10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic"})
    source: ClassVar[str] = "BBOB f14 (Hansen et al. 2009), squared"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    dimension: int = knob(10, least=2)
    steepest: float = knob(6.0, least=2)
    """The largest power."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def shared(self) -> Tensors:
        return {"powers": torch.linspace(2, self.steepest, self.dimension, dtype=torch.float32)}

    def private(self, streams: Streams) -> Tensors:
        return {"centre": distances(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return ((parameters["x"] - constants["centre"]).abs() ** constants["powers"]).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class LogSumExp2(ShiftedLandscape):
    """f(x, y) = ln(e^(x + 3y - 0.1) + e^(x - 3y - 0.1) + e^(-x - 0.1) + 1) at (x, y) = z - s, shift s per seed.

    Source: TaskSet (Metz et al. 2020, arXiv 2002.11887), `LogSumExp`; without the 1, Boyd and Vandenberghe 2004.
    Shapes: z (2,), which holds both coordinates; s is drawn from N(0, 1), the start is s + (2, 1.5) + N(0, 0.1²).
    Optimum: f* = ln(1 + 2√2 e^-0.1) = 1.2695545395 at s + (-½ ln 2, 0), where the derivatives 2e^x = e^-x and
    e^3y = e^-3y of the convex function vanish.

    Exposes gradients that hardly change: far from the minimum the function is a cone with three flat sides.
    """

    name: ClassVar[str] = "log_sum_exp2"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic"})
    source: ClassVar[str] = "TaskSet (Metz et al. 2020, arXiv 2002.11887), LogSumExp"
    optimum: ClassVar[float | None] = math.log(1 + 2 * math.sqrt(2) * math.exp(-0.1))
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (2.0, 1.5)
    minimum: ClassVar[tuple[float, ...]] = (-0.5 * math.log(2), 0.0)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        return torch.logsumexp(torch.stack([x + 3 * y - 0.1, x - 3 * y - 0.1, -x - 0.1, torch.zeros_like(x)]), dim=0)


@dataclass(frozen=True)
class PowellSingular4(ShiftedLandscape):
    """f(x) = (x₁ + 10x₂)² + 5 (x₃ - x₄)² + (x₂ - 2x₃)⁴ + 10 (x₁ - x₄)⁴ at x = z - s, shift s per seed.

    Source: Powell 1962; Moré, Garbow, Hillstrom 1981, problem 13.
    Shapes: z (4,); s is drawn from N(0, 1), the start is s + (3, -1, 0, 1) + N(0, 0.1²).
    Optimum: f* = 0 at s, where all four terms vanish; the Hessian is singular there.

    Exposes the end of a descent along directions whose curvature vanishes.
    """

    name: ClassVar[str] = "powell_singular4"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Powell 1962; Moré, Garbow, Hillstrom 1981"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (3.0, -1.0, 0.0, 1.0)
    minimum: ClassVar[tuple[float, ...]] = (0.0,) * 4

    def height(self, z: Tensor) -> Tensor:
        a, b, c, d = z.unbind()
        return (a + 10 * b).square() + 5 * (c - d).square() + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


@dataclass(frozen=True)
class Zakharov5(ShiftedLandscape):
    """f(x) = Σ xᵢ² + t² + t⁴ with t = ½ Σ i xᵢ, at x = z - s, shift s per seed.

    Source: Zakharov function, in Hedar's collection and in evalset (McCourt 2016).
    Shapes: z (5,); s is drawn from N(0, 1), the start is s + (2, -1, 1, 1, -0.8) + N(0, 0.1²). It has t = 1.5; where t
    is 4, the power of four is all of the descent, and one step along it brings the rest below the targets.
    Optimum: f* = 0 at s, a sum of squares.

    Exposes a narrow bend: one direction, oblique to the coordinates, has a curvature that falls as it is followed.
    """

    name: ClassVar[str] = "zakharov5"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "rotated"})
    source: ClassVar[str] = "Zakharov function, evalset (McCourt 2016)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    start: ClassVar[tuple[float, ...]] = (2.0, -1.0, 1.0, 1.0, -0.8)
    minimum: ClassVar[tuple[float, ...]] = (0.0,) * 5

    def height(self, z: Tensor) -> Tensor:
        weights = 0.5 * torch.arange(1, len(z) + 1, dtype=z.dtype, device=z.device)
        square = (weights * z).sum().square()
        return z.square().sum() + square + square.square()
