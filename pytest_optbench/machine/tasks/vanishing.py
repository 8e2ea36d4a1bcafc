"""Vanishing gradients: coordinates whose slope dies out, waits for others, or is exactly zero most of the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import apart, normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class DegeneratePowers(ExactTask):
    """f(x) = Σₖ meanᵢ (x - m)ₖᵢ²ᵏ for k = 1 .. 6, i = 1 .. 64: the higher the power, the less curvature is left.

    Source: `powers` of LightBench, whose powers are the same even ones.
    Shapes: x (384,), 64 coordinates for every power; the start is N(0, 0.1²), and each entry of m is ±U(0.7, 1.3) with
    random signs per seed. With 1 or 4 coordinates for every power, AdamW at lr 1 was lucky on 29 of 32 seeds, so that
    tuning took it for the best.
    Optimum: f* = 0 at m, since every power is even. It is not the origin, where plain weight decay would find it
    without a gradient.

    Exposes one step size for curvatures that start between 2 and 800, and of which all but the first vanish on the way.
    """

    name: ClassVar[str] = "degenerate_powers"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "powers of LightBench"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    powers: int = knob(6, least=1)
    """The greatest k."""
    copies: int = knob(64, least=1)
    """Coordinates of every power."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {"centre": apart(streams.data, 0.7, 1.3, self.copies * self.powers)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.copies * self.powers)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        squares = (parameters["x"] - constants["centre"]).square().view(self.powers, self.copies)
        # By products alone: the bits of a general power depend on where in a tensor an entry lies.
        products, total = squares, squares[0]
        for k in range(1, self.powers):
            products = products[1:] * squares[k:]
            total = total + products[0]
        return total.mean()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class DependencyChain10(ExactTask):
    """f(x) = u₀² + Σ uᵢ² / (uᵢ₋₁² + ε) for i = 1 .. 10, where u = x - m and ε = 0.01.

    Source: `DependencyChain` in the code of Wichrowska et al. 2017, arXiv 1703.04813, where ε is 1e-6.
    Shapes: x (11,); the start is N(0, 0.1²), and mᵢ is ±U(0.5, 1.5) with random signs per seed.
    Optimum: f* = 0 at m, where every numerator vanishes. It is not the origin, where plain weight decay would find it
    without a gradient.

    Exposes coordinates that have to be solved in order: each one is pushed away from its minimum until the next one in
    the chain is at its own, and the curvature of that one grows as the square of the distance shrinks.
    """

    name: ClassVar[str] = "dependency_chain10"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "DependencyChain, Wichrowska et al. 2017 (arXiv 1703.04813)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1000

    links: int = knob(10, least=1, harder="more")
    """One less than the number of coordinates."""
    epsilon: float = knob(0.01, above=0)
    """What keeps a denominator from zero: the curvature grows up to 2 / epsilon."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {"centre": apart(streams.data, 0.5, 1.5, self.links + 1)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.links + 1)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        squares = (parameters["x"] - constants["centre"]).square()
        return squares[0] + (squares[1:] / (squares[:-1] + self.epsilon)).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class MinMaxWell10(ExactTask):
    """f(x) = max uᵢ² + 1 / min uᵢ² - 2, where u = x - m: only two of the coordinates have a gradient at any time.

    Source: `MinMaxWell` in the code of Wichrowska et al. 2017, arXiv 1703.04813.
    Shapes: x (10,) and m (10,); the start is N(0, 0.1²), and mᵢ is ±U(0.4, 3) with random signs per seed.
    Optimum: f* = 0 where every |uᵢ| = 1, for max uᵢ² = a gives f ≥ a + 1/a - 2 ≥ 0. The origin of x is no such point,
    where plain weight decay would find it without a gradient.

    Exposes what is done to coordinates without a gradient: stale momentum moves them, and moments that decay while they
    wait for their turn make the next step too long.
    """

    name: ClassVar[str] = "min_max_well10"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "nonsmooth", "sparse"})
    source: ClassVar[str] = "MinMaxWell, Wichrowska et al. 2017 (arXiv 1703.04813)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1000

    dimension: int = knob(10, least=1, harder="more")
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {"centre": apart(streams.data, 0.4, 3.0, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        squares = (parameters["x"] - constants["centre"]).square()
        return squares.amax() + 1 / squares.amin() - 2

    def solution(self, constants: Tensors, step: int) -> Tensors:
        centre = constants["centre"]
        return {"x": centre - centre.sign()}
