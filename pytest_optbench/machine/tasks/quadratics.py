"""Quadratics: convex ones of the test sets in which one direction, or a few, are unlike the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import distances, normal, rotation
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.landscape import Landscape
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class BentCigar10(ExactTask):
    """f(x) = ½ (z₁² + c Σ zᵢ²), i ≥ 2, z = R (x - m), c = 500: one flat direction, rotation R per seed.

    Source: BBOB f12 (Hansen et al. 2009), without its bend and with c = 500 for 1e6. At 1e4, AdamW needs 860 steps to
    a hundredth of the initial value, and 32 seeds of twice as many cost seconds.
    Shapes: x (10,); the start has z = (1, 1/√c, ..) times 0.1 N(0, 1) from the origin, and m lies (1, 1/√c, ..) times a
    number of size 0.5 to 1.5 from it: the flat direction holds a tenth of the descent, as any other. At equal
    distances it would hold a part in 4501, and nobody would have to go there.
    Optimum: f* = 0 at m, a sum of squares. It is not the origin, where plain weight decay would find it.

    Exposes steps that are set by the steepest direction: the last tenth of the descent is a long flat valley.
    """

    name: ClassVar[str] = "bent_cigar10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned", "rotated"})
    source: ClassVar[str] = "BBOB f12 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    dimension: int = knob(10, least=2)
    condition: float = knob(500.0, least=1, harder="more")
    """Ratio of the steep curvature to the flat one."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin, relative to the distance of m."""

    def private(self, streams: Streams) -> Tensors:
        roots = torch.full((self.dimension,), self.condition**0.5)
        roots[0] = 1
        axes = rotation(streams.data, self.dimension)
        centre = axes.T @ (distances(streams.data, self.dimension) / roots)
        return {"factor": roots[:, None] * axes, "lengths": axes.T / roots, "centre": centre}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * constants["lengths"] @ normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (constants["factor"] @ (parameters["x"] - constants["centre"])).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class Discus10(ExactTask):
    """f(x) = ½ (c z₁² + Σ zᵢ²), i ≥ 2, z = x - m, c = 1e6: one steep coordinate.

    Source: BBOB f11 (Hansen et al. 2009), without its rotation.
    Shapes: x (10,); m lies (1/√c, 1, ..) times a number of size 0.5 to 1.5 from the origin, the start (1/√c, 1, ..)
    times 0.1 N(0, 1): every coordinate holds a tenth of the descent. At equal distances the steep one would hold all.
    Optimum: f* = 0 at m, a sum of squares. It is not the origin, where plain weight decay would find it.

    Exposes steps of one length for all coordinates: the steep one is a thousand times closer to its place.
    """

    name: ClassVar[str] = "discus10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "BBOB f11 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600

    dimension: int = knob(10, least=2)
    condition: float = knob(1e6, least=1, harder="more")
    """Ratio of the steep curvature to the flat one."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin, relative to the distance of m."""

    def shared(self) -> Tensors:
        roots = torch.ones(self.dimension)
        roots[0] = self.condition**0.5
        return {"roots": roots}

    def private(self, streams: Streams) -> Tensors:
        return {"centre": distances(streams.data, self.dimension) / self.shared()["roots"]}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension) / constants["roots"]}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (constants["roots"] * (parameters["x"] - constants["centre"])).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class BoothMatyas(ExactTask):
    """f(u, v) = (u₁ + 2u₂ - 7)² + (2u₁ + u₂ - 5)² + 0.26 (w₁² + w₂²) - 0.48 w₁ w₂, w = v - s, shift s per seed.

    Source: Booth's and Matyas' functions as in evalset (McCourt 2016) and TaskSet (Metz et al. 2020, arXiv 2002.11887).
    Shapes: two parameters of (2,), `booth` and `matyas`, as layers would be; s is drawn from N(0, 1); the starts are
    (0, 0) and s + (9, 1), each + N(0, 0.1²).
    Optimum: f* = 0 at u = (1, 3), v = s: Booth's squares vanish together, and Matyas' form has the eigenvalues 0.04 and
    1. It is least at the origin, so that it is shifted.

    Exposes one step size for two parameters: at the start the slope of one is nine times that of the other, whose
    valley is the longer one.
    """

    name: ClassVar[str] = "booth_matyas"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic"})
    source: ClassVar[str] = "Booth and Matyas, as in evalset (McCourt 2016) and TaskSet (Metz et al. 2020)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start in every coordinate."""

    def private(self, streams: Streams) -> Tensors:
        return {"shift": normal(streams.data, 2)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "booth": self.jitter * normal(streams.init, 2),
            "matyas": constants["shift"] + torch.tensor([9.0, 1.0]) + self.jitter * normal(streams.init, 2),
        }

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["booth"].unbind()
        w = parameters["matyas"] - constants["shift"]
        booth = (x + 2 * y - 7).square() + (2 * x + y - 5).square()
        return booth + 0.26 * w.square().sum() - 0.48 * w.prod()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"booth": torch.tensor([1.0, 3.0]), "matyas": constants["shift"].clone()}


@dataclass(frozen=True)
class L2lRandomQuadratic(ExactTask):
    """f(θ) = ‖W θ - y‖², y = W m, W and m Gaussian per seed.

    Source: learning to learn (Andrychowicz et al. 2016, arXiv 1606.04474), where y is Gaussian and a run is 100 steps.
    Shapes: θ (10,), W (10, 10), m (10,), all of their entries N(0, 1), the start too.
    Optimum: f* = 0 at m, which is W⁻¹ y, as W is invertible almost surely. With a Gaussian y, the part of y along the
    least singular vector is as large as any, and m as far away as that singular value is small: in 300 steps, AdamW
    reached a tenth of the initial value on 31 of 32 seeds, but not a hundredth.

    Exposes the spread of a step size over problems: every seed has another spectrum, of a condition between 160
    and 11,000 in eight of ten.
    """

    name: ClassVar[str] = "l2l_random_quadratic"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned", "rotated"})
    source: ClassVar[str] = "Andrychowicz et al. 2016 (arXiv 1606.04474), quadratic functions"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    dimension: int = knob(10, least=1)

    def private(self, streams: Streams) -> Tensors:
        W = normal(streams.data, self.dimension, self.dimension)
        return {"W": W, "centre": normal(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"theta": normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return (constants["W"] @ (parameters["theta"] - constants["centre"])).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"theta": constants["centre"].clone()}


@dataclass(frozen=True)
class Trid6(Landscape):
    """f(x) = Σ (xᵢ - 1)² - Σ xᵢ xᵢ₋₁.

    Source: Trid function, in Hedar's collection and in evalset (McCourt 2016).
    Shapes: x (6,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = -50 at xᵢ = i (7 - i), where the tridiagonal system 2xᵢ - xᵢ₋₁ - xᵢ₊₁ = 2 is solved.

    Exposes how far an optimizer dares to go: the minimum lies 6 to 12 away, and coordinates pull on their neighbours.
    """

    name: ClassVar[str] = "trid6"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic"})
    source: ClassVar[str] = "Trid function, evalset (McCourt 2016)"
    optimum: ClassVar[float | None] = -50.0
    horizon: ClassVar[int] = 200

    start: ClassVar[tuple[float, ...]] = (0.0,) * 6
    minimum: ClassVar[tuple[float, ...]] = (6.0, 10.0, 12.0, 12.0, 10.0, 6.0)

    def height(self, z: Tensor) -> Tensor:
        return (z - 1).square().sum() - (z[1:] * z[:-1]).sum()
