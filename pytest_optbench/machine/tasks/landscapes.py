"""Landscapes of two coordinates, as sets of test functions have them: valleys, basins and minima that are no good."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pytest_optbench.machine.tasks.landscape import Landscape, ShiftedLandscape


@dataclass(frozen=True)
class Himmelblau(Landscape):
    """f(x, y) = (x² + y - 11)² + (x + y² - 7)².

    Source: Himmelblau 1972.
    Shapes: x (2,), which holds both coordinates; the start is N(0, 0.1²), close to the hilltop at (-0.27, -0.92).
    Optimum: f* = 0 at (3, 2) and at three more points, where both squares vanish: all four minima are equal.

    Exposes a start among several valleys, of which any will do, and curvatures that grow with the distance.
    """

    name: ClassVar[str] = "himmelblau"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic"})
    source: ClassVar[str] = "Himmelblau 1972, Applied Nonlinear Programming"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (0.0, 0.0)
    minimum: ClassVar[tuple[float, ...]] = (3.0, 2.0)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        return (x.square() + y - 11).square() + (x + y.square() - 7).square()


@dataclass(frozen=True)
class ThreeHumpCamel(ShiftedLandscape):
    """f(x, y) = 2x² - 1.05x⁴ + x⁶/6 + xy + y² at (x, y) = z - s, shift s drawn from N(0, 1) per seed.

    Source: Branin 1972; Dixon and Szegő 1978.
    Shapes: z (2,), which holds both coordinates; the start is s + (0.8, 1.5) + N(0, 0.1²).
    Optimum: f* = 0 at s. Two other minima of 0.2986 lie at s ± (1.7476, -0.8738); from this start, a descent in small
    steps reaches s. From s + (0.8, -1.5), 9 of 64 would.

    Exposes steps so wide that they leave the basin of the start.
    """

    name: ClassVar[str] = "three_hump_camel"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "Branin 1972, Dixon and Szegő 1978"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (0.8, 1.5)
    minimum: ClassVar[tuple[float, ...]] = (0.0, 0.0)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        return 2 * x.square() - 1.05 * x**4 + x**6 / 6 + x * y + y.square()


@dataclass(frozen=True)
class SixHumpCamel(Landscape):
    """f(x, y) = (4 - 2.1x² + x⁴/3) x² + xy + (4y² - 4) y².

    Source: Branin 1972; Dixon and Szegő 1978.
    Shapes: x (2,), which holds both coordinates; the start is (0.5, 1) + N(0, 0.1²).
    Optimum: f* = -1.0316284535 at ±(0.0898, -0.7127), the roots of the gradient with the least value. Four other
    minima are at -0.2155 and 2.1043; from this start, a descent in small steps reaches the global one.

    Exposes steps that are too wide for a basin: at the start the walls are steep, and other basins lie beside.
    """

    name: ClassVar[str] = "six_hump_camel"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "Branin 1972, Dixon and Szegő 1978"
    optimum: ClassVar[float | None] = -1.0316284535
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (0.5, 1.0)
    minimum: ClassVar[tuple[float, ...]] = (-0.0898420131, 0.7126564030)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.square().unbind()
        return (4 - 2.1 * x + x.square() / 3) * x + z.prod() + (4 * y - 4) * y


@dataclass(frozen=True)
class Mccormick(Landscape):
    """f(x, y) = sin(x + y) + (x - y)² - 1.5x + 2.5y + 1 + 10 d², d the distance to -1.5 ≤ x ≤ 4, -3 ≤ y ≤ 4.

    Source: McCormick 1976; evalset (McCourt 2016).
    Shapes: x (2,), which holds both coordinates; the start is (0.5, 0) + N(0, 0.1²).
    Optimum: f* = -√3/2 - π/3 = -1.9132229550 at (½ - π/3, -½ - π/3). The walls d² stand for the bounds of the source:
    without them f falls for ever, by π with every wave along the diagonal, and to diverge would be to solve it. Another
    minimum, of 1.2284, lies one wave up; from this start, a descent in small steps reaches the global one. From (1, 1),
    46 of 64 would.

    Exposes a slide down a gentle valley that is not aligned with the coordinates.
    """

    name: ClassVar[str] = "mccormick"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "McCormick 1976, evalset (McCourt 2016)"
    optimum: ClassVar[float | None] = -1.9132229550
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (0.5, 0.0)
    minimum: ClassVar[tuple[float, ...]] = (0.5 - math.pi / 3, -0.5 - math.pi / 3)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        outside = (-1.5 - x).relu() + (x - 4).relu(), (-3 - y).relu() + (y - 4).relu()
        walls = 10 * (outside[0].square() + outside[1].square())
        return (x + y).sin() + (x - y).square() - 1.5 * x + 2.5 * y + 1 + walls


@dataclass(frozen=True)
class Branin(Landscape):
    """f(x, y) = (y - 5.1/(4π²) x² + 5/π x - 6)² + 10 (1 - 1/(8π)) cos x + 10.

    Source: Branin 1972; Dixon and Szegő 1978.
    Shapes: x (2,), which holds both coordinates; the start is (2.5, 7.5) + N(0, 0.1²), the middle of the domain.
    Optimum: f* = 10/(8π) = 0.3978873577 at (π, 2.275), where the square vanishes and the cosine is -1, and likewise at
    x = -π, 3π and every odd multiple: all minima are equal.

    Exposes a coordinate that changes direction: the valley of the square is a parabola, and the cosine sets its floor.
    """

    name: ClassVar[str] = "branin"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic"})
    source: ClassVar[str] = "Branin 1972, Dixon and Szegő 1978"
    optimum: ClassVar[float | None] = 10 / (8 * math.pi)
    horizon: ClassVar[int] = 150

    start: ClassVar[tuple[float, ...]] = (2.5, 7.5)
    minimum: ClassVar[tuple[float, ...]] = (math.pi, 2.275)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        parabola = y - 5.1 / (4 * math.pi**2) * x.square() + 5 / math.pi * x - 6
        return parabola.square() + 10 * (1 - 1 / (8 * math.pi)) * x.cos() + 10


@dataclass(frozen=True)
class StyblinskiTang2(Landscape):
    """f(x) = ½ Σ (xᵢ⁴ - 16 xᵢ² + 5 xᵢ) over two coordinates.

    Source: Styblinski and Tang 1990; evalset (McCourt 2016).
    Shapes: x (2,); the start is (-1, -1.5) + N(0, 0.1²): two distances, so that no step fits both.
    Optimum: f* = -78.3323314075 where both coordinates are -2.9035340278, the least root of 4x³ - 32x + 5. The root
    2.7468 of the same polynomial makes three more minima, of -64.2 and -50.1; every start lies left of the hilltop at
    0.1567 in both coordinates, from where a descent in small steps reaches the global one.

    Exposes curvature that grows on the way, from negative to 34.
    """

    name: ClassVar[str] = "styblinski_tang2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "Styblinski and Tang 1990, evalset (McCourt 2016)"
    optimum: ClassVar[float | None] = -78.3323314075
    horizon: ClassVar[int] = 150

    scale: ClassVar[float] = 50.0
    """Of the descent: values are sums of terms of a hundred, and float32 rounds them to a hundred-thousandth."""

    start: ClassVar[tuple[float, ...]] = (-1.0, -1.5)
    minimum: ClassVar[tuple[float, ...]] = (-2.9035340278, -2.9035340278)

    def height(self, z: Tensor) -> Tensor:
        return 0.5 * (z**4 - 16 * z.square() + 5 * z).sum()


@dataclass(frozen=True)
class LogGoldsteinPrice(Landscape):
    """f(x, y) = ln(1 + (t + 1)² (19 - 14t + 3t²)) + ln(30 + d² (18 - 16d + 3d²)), t = x + y, d = 2x - 3y.

    Source: Goldstein and Price 1971, here in the variables t and d; its logarithm as in evalset (McCourt 2016).
    Shapes: x (2,), which holds both coordinates; the start is (0.2, -0.5) + N(0, 0.1²).
    Optimum: f* = ln 3 = 1.0986122887 at (0, -1): the first bracket is least, 1, at t = -1, and the second, 3, at d = 3.
    Three other minima are at ln 30, ln 84 and ln 840; from this start, a descent in small steps reaches the global one.

    Exposes gradients that grow towards the minimum, as those of a logarithm do.
    """

    name: ClassVar[str] = "log_goldstein_price"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "Goldstein and Price 1971, evalset (McCourt 2016)"
    optimum: ClassVar[float | None] = math.log(3)
    horizon: ClassVar[int] = 200

    start: ClassVar[tuple[float, ...]] = (0.2, -0.5)
    minimum: ClassVar[tuple[float, ...]] = (0.0, -1.0)

    def height(self, z: Tensor) -> Tensor:
        x, y = z.unbind()
        t, d = x + y, 2 * x - 3 * y
        first = 1 + (t + 1).square() * (19 - 14 * t + 3 * t.square())
        second = 30 + d.square() * (18 - 16 * d + 3 * d.square())
        return first.log() + second.log()
