"""The basins of Schaul et al.: several parts chained into a shape with a minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.schaul_base import SOURCE, Repeated
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class Basin(Repeated):
    """Base class of basins that are symmetric about ½, and flat outside of 0 to 1."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        sides = normal(streams.init, self.size).sign()
        return {"x": 0.5 + sides * (0.2 + 0.3 * uniform(streams.init, self.size))}


@dataclass(frozen=True)
class SchaulLaplaceBasin(Basin):
    """f(x) = Σ l(xᵢ) with gradient noise N(0, 0.1²); l is chained of five parts of Laplace functions, an inverted tent
    with its tip at ½, of slopes from ∓1 at 0 and 1 to ∓2981 at the tip.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `laplace_nonconvex-laplace_convex-laplace_bowl-
    laplace_convex-laplace_nonconvex`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (4,); the start is at a distance of 0.2 to 0.5 from ½, drawn uniformly, on either side, per coordinate:
    further out than 0 or 1 the slope is lost in the noise.
    Optimum: f* = 0 where every xᵢ is ½: the tip is the only place where the slope changes its sign.

    Exposes steps that were fit for a slope of 1, on a way that ends in a kink three thousand times as steep.
    """

    name: ClassVar[str] = "schaul_laplace_basin"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, five parts of Laplace functions"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    scale: ClassVar[float] = 671.0
    """Depth of the basin."""
    parts: ClassVar[tuple[str, ...]] = (
        "laplace_nonconvex",
        "laplace_convex",
        "laplace_bowl",
        "laplace_convex",
        "laplace_nonconvex",
    )


@dataclass(frozen=True)
class SchaulGaussBasin(Basin):
    """f(x) = Σ g(xᵢ) with gradient noise N(0, 0.1²); g is chained of five parts of Gaussian functions, a well with its
    bottom at ½, of slopes from ∓1 at 0 and 1 to ∓953 000 half-way down.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `gauss_nonconvex-gauss_convex-gauss_bowl-
    gauss_convex-gauss_nonconvex`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (4,); the start is at a distance of 0.2 to 0.5 from ½, drawn uniformly, on either side, per coordinate:
    further out than 0 or 1 the slope is lost in the noise.
    Optimum: f* = 0 where every xᵢ is ½: the bottom is the only place where the slope changes its sign.

    Exposes a plateau beside a slope a million times as steep: coordinates that start there share nothing with others.
    """

    name: ClassVar[str] = "schaul_gauss_basin"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "plateau"})
    source: ClassVar[str] = f"{SOURCE}, five parts of Gaussian functions"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    scale: ClassVar[float] = 192309.0
    """Depth of the basin."""
    parts: ClassVar[tuple[str, ...]] = (
        "gauss_nonconvex",
        "gauss_convex",
        "gauss_bowl",
        "gauss_convex",
        "gauss_nonconvex",
    )


@dataclass(frozen=True)
class SchaulConvexCliffBowl(Repeated):
    """f(x) = Σ c(xᵢ) with gradient noise N(0, 0.1²); c is a parabola whose slope falls to a tenth, a cliff down which
    it is ten times as steep, and another parabola with its vertex at 5/6.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_convex-cliff-quad_bowl`, scale `normal`, noise
    `gauss_add` 0.1). Their cliff goes up or down; after one that goes up the last parabola is a hill, with an abyss
    behind it, so that here it goes down.
    Shapes: x (4,); the start is 0 + N(0, 0.7²).
    Optimum: f* = 0 where every xᵢ is 5/6: the slope is negative before, where the first two parts end, and positive
    after.

    Exposes step sizes grown where the slope is small, and carried over the edge of the cliff.
    """

    name: ClassVar[str] = "schaul_convex_cliff_bowl"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, quad_convex-cliff-quad_bowl"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    parts: ClassVar[tuple[str, ...]] = ("quad_convex", "ridge", "quad_bowl")

    spread: float = knob(0.7, above=0)
    """Standard deviation of the starting point."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, self.size)}


@dataclass(frozen=True)
class SchaulReluBendBowl(Repeated):
    """f(x) = Σ r(xᵢ) with gradient noise N(0, 0.1²); r is a line of slope -1, a plateau from 0.138 to 0.529, a line of
    slope -1 to 2/3 and a parabola with its vertex at 5/6.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `relu-bend-quad_bowl`, scale `normal`, noise
    `gauss_add` 0.1).
    Shapes: x (4,); the start is 0 + N(0, 0.1²).
    Optimum: f* = 0 where every xᵢ is 5/6: nothing ascends before it, and everything after it.

    Exposes what carries over a plateau that has no slope at all: momentum, and what is made of pure noise.
    """

    name: ClassVar[str] = "schaul_relu_bend_bowl"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth", "plateau"})
    source: ClassVar[str] = f"{SOURCE}, relu-bend-quad_bowl"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150

    parts: ClassVar[tuple[str, ...]] = ("relu", "bend", "quad_bowl")

    spread: float = knob(0.1, above=0)
    """Standard deviation of the starting point."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, self.size)}
