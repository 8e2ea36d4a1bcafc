"""The tasks of Schaul et al. in two and ten dimensions: shapes added up, rotated, curled, or of opposite slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, rotation, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.schaul_base import SOURCE, Combined
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class Rotated(Combined):
    """Base class of combinations whose shapes lie along the rows of a rotation that is drawn per seed."""

    spread: float = knob(0.25, above=0)
    """Standard deviation of the starting point."""

    def private(self, streams: Streams) -> Tensors:
        return {"rotation": rotation(streams.data, self.size)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, self.size)}

    def heights(self, x: Tensor, constants: Tensors) -> Tensor:
        return super().heights(constants["rotation"] @ x, constants)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["rotation"].T @ constants["bottom"]}


@dataclass(frozen=True)
class SchaulAbsBowl2(Rotated):
    """f(x) = |z₁ - ½| + (z₂ - ½)², z = R x, with gradient noise N(0, 0.1²) and a curl: the gradient is turned into
    g + c J (x - m), where J is a quarter turn, R and its direction are drawn per seed, and m is the minimum.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `abs|1|quad_bowl|1|`, scale `normal`, noise
    `gauss_add` 0.1, rotated, curled). Their curl turns about the origin and has the field vanish elsewhere than where
    f is least, and its matrix may also pull and push; this one does nothing but turn.
    Shapes: x (2,); the start is 0 + N(0, 0.1²).
    Optimum: f* = 0 at z = (½, ½), where the curl vanishes too.

    Exposes methods that count on a gradient being one: the field has no potential, and spirals in.
    """

    name: ClassVar[str] = "schaul_abs_bowl2"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonsmooth", "rotated"})
    source: ClassVar[str] = f"{SOURCE}, abs|quad_bowl, rotated and curled"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    size: ClassVar[int] = 2
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("abs",), ("quad_bowl",))
    slopes: ClassVar[tuple[float, ...]] = (-1.0, -1.0)

    spread: float = knob(0.1, above=0)
    """Standard deviation of the starting point: further out, some seeds would start next to the minimum."""
    curl: float = knob(1.0, least=0)
    """Length of what is added to the gradient, by the distance from the minimum."""

    def private(self, streams: Streams) -> Tensors:
        turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        return {**super().private(streams), "turn": normal(streams.data, 1).sign() * turn}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        away = parameters["x"] - constants["rotation"].T @ constants["bottom"]
        return {"x": gradient["x"] + self.curl * constants["turn"] @ away}, memory


@dataclass(frozen=True)
class SchaulSaddleBowl2(Combined):
    """f(x) = h (1 - exp(-((x₁ - m) / w)²)) + (x₂ - ½)², w = 0.304, m = -0.215, with gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `gauss_nonconvex|1|quad_bowl|1|`, scale `saddle` in
    the first coordinate and `normal` in the other, noise `gauss_add` 0.1).
    Shapes: x (2,); the start is uniform in 0.15 to 0.4, and 0 + N(0, 0.1²).
    Optimum: f* = 0 at (m, ½), the bottoms of the well and of the bowl. The well's flank is bent down from x₁ = 0 on,
    where the start is, and the bowl is bent up: there f is a saddle without a stationary point.

    Exposes preconditioners that take a negative curvature for a positive one, and steps that shrink with the gradient.
    """

    name: ClassVar[str] = "schaul_saddle_bowl2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "plateau"})
    source: ClassVar[str] = f"{SOURCE}, gauss_nonconvex|quad_bowl, scale saddle|normal"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 100

    size: ClassVar[int] = 2
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("gauss_nonconvex",), ("quad_bowl",))
    slopes: ClassVar[tuple[float, ...]] = (1.0, -1.0)

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        first = 0.15 + 0.25 * uniform(streams.init, 1)
        return {"x": torch.cat([first, 0.1 * normal(streams.init, 1)])}


@dataclass(frozen=True)
class SchaulCliffBowl10(Rotated):
    """f(x) = max(k - z₁, 10 (z₁ - k)) + Σ (zᵢ - ½)², i from 2 to 10, z = R x, k = 0.877, R drawn per seed, with
    gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `cliff|1|quad_bowl|9|`, scale `normal`, noise
    `gauss_add` 0.1, rotated).
    Shapes: x (10,); the start is 0 + N(0, 0.25²).
    Optimum: f* = 0 at z = (k, ½, .., ½): the kink of the cliff and the bottoms of the bowls.

    Exposes preconditioners that are only diagonal: after the rotation every coordinate has its part of the cliff.
    """

    name: ClassVar[str] = "schaul_cliff_bowl10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonsmooth", "rotated"})
    source: ClassVar[str] = f"{SOURCE}, cliff|quad_bowl in 10 dimensions, rotated"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    size: ClassVar[int] = 10
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("cliff",), *[("quad_bowl",)] * 9)
    slopes: ClassVar[tuple[float, ...]] = (-1.0,) * 10


@dataclass(frozen=True)
class SchaulLaplaceValley10(Combined):
    """f(x) = l⁺(x₁) + Σ l⁻(xᵢ), i from 2 to 10, with gradient noise N(0, 0.1²); l⁺ and l⁻ are chained of two parts of
    Laplace functions and a parabola, and ascend and descend from 0 with slope 1 and -1.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `laplace_convex-laplace_nonconvex-quad_convex|10|`,
    scale `saddle` in the first coordinate and `normal` in the others, noise `gauss_add` 0.1).
    Shapes: x (10,); the start is uniform in 0.1 to 0.4 in the first coordinate, and N(0, 0.1²) in the others.
    Optimum: f* = 0 at (-0.037, 1.037, .., 1.037): the tip of l⁺'s tent, just before 0, and the vertex of l⁻'s parabola,
    just behind 1. The evaluation is the mean over coordinates of the height over the bottom, each divided by its depth
    below 0, as l⁺ is 0.04 deep and l⁻ 628.

    Exposes coordinates that are drowned by others: nine slopes grow to 2697 while one never exceeds 1.1.
    """

    name: ClassVar[str] = "schaul_laplace_valley10"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, laplace_convex-laplace_nonconvex-quad_convex, scale saddle|normal"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 120

    size: ClassVar[int] = 10
    parts: ClassVar[tuple[tuple[str, ...], ...]] = (("laplace_convex", "laplace_nonconvex", "quad_convex"),) * 10
    slopes: ClassVar[tuple[float, ...]] = (1.0, *[-1.0] * 9)

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        first = 0.1 + 0.3 * uniform(streams.init, 1)
        return {"x": torch.cat([first, 0.1 * normal(streams.init, self.size - 1)])}

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return (self.heights(parameters["x"], constants) / constants["depth"]).mean()
