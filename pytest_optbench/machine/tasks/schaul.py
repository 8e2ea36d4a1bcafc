"""The bowls of Schaul et al.: shapes that descend to a minimum and ascend again without another part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.schaul_base import SOURCE, Repeated
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class SchaulQuadBowl(Repeated):
    """f(x) = Σ (xᵢ - ½)², with gradient noise N(0, 0.1²): a parabola of slope -1 at 0 and 1 at 1 in each coordinate.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_bowl`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (4,); the start is 0 + N(0, 1): nearer to ½, a thousandth of the start would be no more than what
    the noise leaves.
    Optimum: f* = 0 where every xᵢ is ½; without its offset the parabola is 0 at its vertex.

    Exposes step sizes that do not settle in noise, on the plainest noisy problem there is.
    """

    name: ClassVar[str] = "schaul_quad_bowl"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, quad_bowl"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150

    parts: ClassVar[tuple[str, ...]] = ("quad_bowl",)

    spread: float = knob(1.0, above=0)
    """Standard deviation of the starting point."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, self.size)}


@dataclass(frozen=True)
class SchaulAbs(Repeated):
    """f(x) = Σ |xᵢ - ½|, with gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `abs`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (4,); the start is 0 + N(0, 0.25²).
    Optimum: f* = 0 where every xᵢ is ½: both slopes, -1 and 1, meet there.

    Exposes step sizes that do not shrink: the gradient is as large next to the minimum as it is far away.
    """

    name: ClassVar[str] = "schaul_abs"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, abs"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    parts: ClassVar[tuple[str, ...]] = ("abs",)

    spread: float = knob(0.25, above=0)
    """Standard deviation of the starting point."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, self.size)}


@dataclass(frozen=True)
class SchaulGaussBowl(Repeated):
    """f(x) = Σ h (1 - exp(-((xᵢ - ½) / 5)²)), h = 25 e^0.01, with gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `gauss_bowl`, scale `normal`, noise `gauss_add`
    0.1). Between 0 and 1 the shape can hardly be told from `quad_bowl`, so the start is on its flanks instead.
    Shapes: x (4,); the start is at a distance of 6 to 10 from ½, drawn uniformly, on either side, per coordinate.
    Optimum: f* = 0 where every xᵢ is ½: the bottom of the only well of each coordinate.

    Exposes steps that shrink with the gradient: it is a fourth on the far flank of what it is half-way down.
    """

    name: ClassVar[str] = "schaul_gauss_bowl"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, gauss_bowl"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    parts: ClassVar[tuple[str, ...]] = ("gauss_bowl",)

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        sides = normal(streams.init, self.size).sign()
        return {"x": 0.5 + sides * (6 + 4 * uniform(streams.init, self.size))}


@dataclass(frozen=True)
class SchaulCliff(ExactTask):
    """f(x) = max(1 - x, 10 (x - 1)): a line of slope -1 that meets a cliff of slope +10 at x = 1.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `cliff`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (1,); the start is 0 + N(0, 0.25²).
    Optimum: f* = 0 at the kink. The generator's offset of 199 is left out: it has no gradient, and in float32 it would
    swallow the digits that the targets need.

    Exposes step sizes that jump back and forth over the kink, where one side pulls ten times as hard as the other.
    """

    name: ClassVar[str] = "schaul_cliff"
    version: ClassVar[int] = 2
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonsmooth"})
    source: ClassVar[str] = "Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055), cliff"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1200

    steepness: float = knob(10.0, least=1, harder="more")
    """Slope of the cliff, relative to the line before it."""
    noise: float = knob(0.1, least=0)
    """Standard deviation of the gradient noise."""
    spread: float = knob(0.25, above=0)
    """Standard deviation of the starting point."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, 1)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise * normal(streams.noise, steps, 1)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        beyond = parameters["x"] - 1
        return torch.maximum(-beyond, self.steepness * beyond).sum()

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants) + (batch["noise"] * parameters["x"]).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.ones(1)}
