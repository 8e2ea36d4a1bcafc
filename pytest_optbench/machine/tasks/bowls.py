"""Bowls: convex quadratics with a known minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, rotation
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class Sphere10(ExactTask):
    """f(x) = ½ ‖x - m‖², m drawn from N(0, 1) per seed.

    Source: BBOB f1 (Hansen et al. 2009).
    Shapes: x (10,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient, and it is at
    another distance in every coordinate: at the same, AdamW at lr 10 got there in all of them by one lucky rhythm.

    Exposes what an optimizer makes of the easiest problem there is: slow warm-ups, and step sizes that never settle.
    """

    name: ClassVar[str] = "sphere10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic"})
    source: ClassVar[str] = "BBOB f1 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    scale: ClassVar[float] = 1.0
    """What f is multiplied by; other spheres have another one."""

    dimension: int = knob(10, least=1)
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {"centre": normal(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * self.scale * (parameters["x"] - constants["centre"]).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class Ellipsoid20(ExactTask):
    """f(x) = ½ Σ λᵢ (xᵢ - mᵢ)², λ log-spaced from 1/√c to √c, condition c = 1e4, m drawn from N(0, 1) per seed.

    Source: BBOB f2 (Hansen et al. 2009), without its oscillation.
    Shapes: x (20,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = 0 at m, since every λ is positive. It is not the origin, where plain weight decay would find it
    without a gradient.

    Exposes whether there is a preconditioner at all: the curvature lies along the coordinates, where a diagonal one
    takes it away.
    """

    name: ClassVar[str] = "ellipsoid20"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "BBOB f2 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    dimension: int = knob(20, least=2)
    condition: float = knob(1e4, least=1)
    """Ratio of the largest to the smallest curvature."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def shared(self) -> Tensors:
        exponents = torch.linspace(-0.5, 0.5, self.dimension, dtype=torch.float64)
        return {"curvatures": (self.condition**exponents).to(torch.float32)}

    def private(self, streams: Streams) -> Tensors:
        return {"centre": normal(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (constants["curvatures"] * (parameters["x"] - constants["centre"]).square()).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


@dataclass(frozen=True)
class Ellipsoid20Rotated(ExactTask):
    """f(x) = ½ Σ λᵢ (R (x - m))ᵢ², λ log-spaced from 1/√c to √c, condition c = 1e4, rotation R and corner m per seed.

    Source: BBOB f10 (Hansen et al. 2009); TaskSet `Bowl` (Metz et al. 2020, arXiv 2002.11887).
    Shapes: x (20,); the start is N(0, 0.1²) in every coordinate, m is a random corner of the cube [-1, 1]^20.
    Optimum: f* = 0 at m, since every λ is positive. It is not the origin, where plain weight decay would find it:
    with m = 0, AdamW at lr 10 (a decay of 10 % per step) needs 70 steps, and no gradient.

    Exposes a preconditioner that is only diagonal: the rotation hides the curvature from it.
    """

    name: ClassVar[str] = "ellipsoid20_rotated"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned", "rotated"})
    source: ClassVar[str] = "BBOB f10 (Hansen et al. 2009), TaskSet Bowl (Metz et al. 2020)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1000

    dimension: int = knob(20, least=2)
    condition: float = knob(1e4, least=1, harder="more")
    """Ratio of the largest to the smallest curvature."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        exponents = torch.linspace(-0.25, 0.25, self.dimension, dtype=torch.float64)
        roots = (self.condition**exponents).to(torch.float32)
        factor = roots[:, None] * rotation(streams.data, self.dimension)
        return {"factor": factor, "centre": normal(streams.data, self.dimension).sign()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (constants["factor"] @ (parameters["x"] - constants["centre"])).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"]}
