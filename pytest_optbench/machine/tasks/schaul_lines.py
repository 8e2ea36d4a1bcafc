"""The one-sided shapes of Schaul et al.: they descend for ever, or level out, and have no minimum to settle in.

Alone they are solved by one huge step, such as AdamW's first at a learning rate of 10, so each stands beside a bowl: an
optimizer has to make its way along the shape in x, and to settle at a minimum that is drawn per seed in y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.schaul_base import SOURCE
from pytest_optbench.machine.tasks.schaul_shapes import Shape, height_of, shape, table
from pytest_optbench.machine.tasks.task import Task, Tensors

BOWL = 3
"""Coordinates of the bowl."""


@dataclass(frozen=True)
class BesideBowl(Task):
    """Base class of f(x, y) = shape(x) + ½ ‖y - m‖² with gradient noise, m drawn from N(0, 2²) per seed.

    The evaluation is the share of the way down to the goal that is left, max(shape(x) - shape(goal), 0) / (shape(0) -
    shape(goal)), plus the bowl's ½ ‖y - m‖²: a target of a hundredth of the start asks for both.
    """

    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    parts: ClassVar[tuple[str, ...]]
    """What the shape is chained of."""
    goal: ClassVar[float] = 3.0
    """The x that is far enough: about as far away as the bowl's minimum."""

    noise: float = knob(0.1, least=0)
    """Standard deviation of the gradient noise."""
    spread: float = knob(0.1, above=0)
    """Standard deviation of the starting point."""

    def pieces(self) -> Shape:
        return shape(*self.parts)

    def shared(self) -> Tensors:
        pieces = self.pieces()
        ends = height_of(table(pieces, torch.float64), torch.tensor([0, self.goal], dtype=torch.float64))
        return {
            "pieces": table(pieces),
            "floor": ends[1].to(torch.float32),
            "depth": (ends[0] - ends[1]).to(torch.float32),
        }

    def private(self, streams: Streams) -> Tensors:
        return {"centre": 2 * normal(streams.data, BOWL)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.spread * normal(streams.init, 1), "y": self.spread * normal(streams.init, BOWL)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise * normal(streams.noise, steps, 1 + BOWL)}

    def _height(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return height_of(constants["pieces"], parameters["x"]).sum()

    def _bowl(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (parameters["y"] - constants["centre"]).square().sum()

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        noise = (batch["noise"] * torch.cat([parameters["x"], parameters["y"]])).sum()
        return self._height(parameters, constants) + self._bowl(parameters, constants) + noise

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        left = (self._height(parameters, constants) - constants["floor"]).relu() / constants["depth"]
        return left + self._bowl(parameters, constants)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        """Well beyond the goal, and at the bottom of the bowl."""
        return {"x": torch.full((1,), 2 * self.goal), "y": constants["centre"].clone()}


@dataclass(frozen=True)
class SchaulLine(BesideBowl):
    """f(x, y) = -x + ½ ‖y - m‖², with gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `line`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes steps that are as long in x, which wants speed, as in y, which wants rest.
    """

    name: ClassVar[str] = "schaul_line"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, line"

    parts: ClassVar[tuple[str, ...]] = ("line",)


@dataclass(frozen=True)
class SchaulBend(BesideBowl):
    """f(x, y) = -t x - (1 - t) max(x - k, 0) + ½ ‖y - m‖², t = 0.05, k = 0.586, with gradient noise N(0, 0.1²).

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `bend`, scale `normal`, noise `gauss_add` 0.1).
    There the plateau before the bend is exactly flat, and nothing but noise leads off it: AdamW came to a thousandth of
    the start on 12 of 16 seeds at its best learning rate. Here it is tilted.
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes averages of the gradient that are too short to find a slope of half the noise.
    """

    name: ClassVar[str] = "schaul_bend"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth", "plateau"})
    source: ClassVar[str] = f"{SOURCE}, bend"

    parts: ClassVar[tuple[str, ...]] = ("bend",)

    tilt: float = knob(0.05, above=0, most=1)
    """Slope of the plateau, relative to that behind the bend."""

    def pieces(self) -> Shape:
        plateau, slope = shape(*self.parts)
        # Turned about the kink, where both pieces are 0.
        return (replace(plateau, linear=-self.tilt), slope)


@dataclass(frozen=True)
class SchaulRelu(BesideBowl):
    """f(x, y) = -min(x, k) + ½ ‖y - m‖², with gradient noise N(0, 0.1²), k = √2 - 1.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `relu`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = k on and at y = m: beyond its kink the shape is flat.

    Exposes what is made of a coordinate whose gradient turns into nothing but noise.
    """

    name: ClassVar[str] = "schaul_relu"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, relu"

    parts: ClassVar[tuple[str, ...]] = ("relu",)
    goal: ClassVar[float] = 1.0


@dataclass(frozen=True)
class SchaulRidge(BesideBowl):
    """f(x, y) = -x - 9 max(x - k, 0) + ½ ‖y - m‖², with gradient noise N(0, 0.1²), k = 0.877.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `ridge`, scale `normal`, noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes moment estimates that meet a gradient ten times as large as all before.
    """

    name: ClassVar[str] = "schaul_ridge"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "nonsmooth"})
    source: ClassVar[str] = f"{SOURCE}, ridge"

    parts: ClassVar[tuple[str, ...]] = ("ridge",)


@dataclass(frozen=True)
class SchaulExponential(BesideBowl):
    """f(x, y) = b exp(-x / b) + ½ ‖y - m‖², with gradient noise N(0, 0.1²), b = 1 / ln 1000.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `exponential`, scale `normal`, noise `gauss_add`
    0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 1 on and at y = m: what is left of the way to x = 1 and the bowl are never negative.

    Exposes a slope that sinks below the noise, to a thousandth at the goal.
    """

    name: ClassVar[str] = "schaul_exponential"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, exponential"

    parts: ClassVar[tuple[str, ...]] = ("exponential",)
    goal: ClassVar[float] = 1.0


@dataclass(frozen=True)
class SchaulQuadConvexLine(BesideBowl):
    """f(x, y) = q(x) + ½ ‖y - m‖², with gradient noise N(0, 0.1²); q is a parabola to x = ½, where its slope
    is a tenth of that at 0, and then a line.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_convex-line`, scale `normal`,
    noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes a slope that falls to the size of the noise, and has to be followed on.
    """

    name: ClassVar[str] = "schaul_quad_convex_line"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, quad_convex-line"

    parts: ClassVar[tuple[str, ...]] = ("quad_convex", "line")


@dataclass(frozen=True)
class SchaulGaussNonconvexLine(BesideBowl):
    """f(x, y) = g(x) + ½ ‖y - m‖², with gradient noise N(0, 0.1²); g is the flank of a Gaussian from 4 widths
    outside (slope -1) to its inflection at x = ½ (slope -953 000), and then a line.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `gauss_nonconvex-line`, scale `normal`,
    noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.01²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes moment estimates that have to follow a gradient over six orders of magnitude in one run.
    """

    name: ClassVar[str] = "schaul_gauss_nonconvex_line"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, gauss_nonconvex-line"

    parts: ClassVar[tuple[str, ...]] = ("gauss_nonconvex", "line")

    spread: float = knob(0.01, above=0)
    """Standard deviation of the starting point: further out the slope is lost in the noise."""


@dataclass(frozen=True)
class SchaulGaussConvexLine(BesideBowl):
    """f(x, y) = g(x) + ½ ‖y - m‖², with gradient noise N(0, 0.1²); g is the inside of a Gaussian from its
    inflection (slope -1) to a tenth of a width off its middle at x = ½ (slope -0.23), and then a line.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `gauss_convex-line`, scale `normal`,
    noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes a slope that falls to about the noise, less abruptly than that of a parabola.
    """

    name: ClassVar[str] = "schaul_gauss_convex_line"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, gauss_convex-line"

    parts: ClassVar[tuple[str, ...]] = ("gauss_convex", "line")


@dataclass(frozen=True)
class SchaulLaplaceNonconvexLine(BesideBowl):
    """f(x, y) = l(x) + ½ ‖y - m‖², with gradient noise N(0, 0.1²); l is the flank of -exp(-|t|) from t = -8
    (slope -1) to t = -1 at x = ½ (slope -1097), and then a line.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `laplace_nonconvex-line`, scale `normal`,
    noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.02²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes moment estimates that lag behind a gradient that grows exponentially.
    """

    name: ClassVar[str] = "schaul_laplace_nonconvex_line"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, laplace_nonconvex-line"

    parts: ClassVar[tuple[str, ...]] = ("laplace_nonconvex", "line")

    spread: float = knob(0.02, above=0)
    """Standard deviation of the starting point: further out the slope is lost in the noise."""


@dataclass(frozen=True)
class SchaulLaplaceConvexLine(BesideBowl):
    """f(x, y) = l(x) + ½ ‖y - m‖², with gradient noise N(0, 0.1²); l is the flank of -exp(-|t|) from t = -1
    (slope -1) to t = -0.1 at x = ½ (slope -2.5), and then a line.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `laplace_convex-line`, scale `normal`,
    noise `gauss_add` 0.1).
    Shapes: x (1,), y (3,); the start is N(0, 0.1²) in all, m is N(0, 2²).
    Optimum: f* = 0 from x = 3 on and at y = m: what is left of the way to x = 3 and the bowl are never negative.

    Exposes little beyond a line; the paper has it to tell a change of slope from a change of its order of magnitude.
    """

    name: ClassVar[str] = "schaul_laplace_convex_line"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = f"{SOURCE}, laplace_convex-line"

    parts: ClassVar[tuple[str, ...]] = ("laplace_convex", "line")
