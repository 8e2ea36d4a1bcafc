"""Valleys: curved and narrow paths to a known minimum."""

from __future__ import annotations

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
class Rosenbrock2(ExactTask):
    """f(x, y) = (1 - x)² + 100 (y - x²)².

    Source: Rosenbrock 1960; BBOB f8 (Hansen et al. 2009).
    Shapes: x (2,), which holds both coordinates; the start is (-1.2, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (1, 1), a sum of squares that vanish together only there.

    Exposes stale directions: the valley bends, and its floor is flat where its walls are steep.
    """

    name: ClassVar[str] = "rosenbrock2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Rosenbrock 1960, BBOB f8 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1500

    steepness: float = knob(100.0, above=0, harder="more")
    """Weight of the valley's walls."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around (-1.2, 1)."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": torch.tensor([-1.2, 1.0], dtype=torch.float32) + self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        return (1 - x).square() + self.steepness * (y - x.square()).square()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.ones(2)}


@dataclass(frozen=True)
class Rosenbrock10(ExactTask):
    """f(x) = Σ (1 - xᵢ)² + 100 (xᵢ₊₁ - xᵢ²)², i from 1 to 9: a chain, in which every coordinate waits for the last one.

    Source: Rosenbrock 1960, chained as in BBOB f8 (Hansen et al. 2009).
    Shapes: x (10,); the start is N(0, 0.1²) in every coordinate.
    Optimum: f* = 0 at (1, .., 1), where all squares vanish. Another minimum, of 3.99, is close to (-1, 1, .., 1): of 64
    starts of N(0, 0.5²), AdamW at lr 0.03 was caught by it from one; of N(0, 0.1²), from none.

    Exposes stale directions: a valley that bends in nine planes, one after another.
    """

    name: ClassVar[str] = "rosenbrock10"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Rosenbrock 1960, BBOB f8 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    dimension: int = knob(10, least=2)
    steepness: float = knob(100.0, above=0, harder="more")
    """Weight of the valley's walls."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x = parameters["x"]
        walls = self.steepness * (x[1:] - x[:-1].square()).square()
        return ((1 - x[:-1]).square() + walls).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.ones(self.dimension)}


@dataclass(frozen=True)
class Beale(ExactTask):
    """f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)².

    Source: Beale 1958; DeepOBS (Schneider et al. 2019, arXiv 1903.05499) has it with noise.
    Shapes: x (2,), which holds both coordinates; the start is (1, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (3, 0.5), where each of the three squares vanishes.

    Exposes one step size for two terrains: a steep ridge near y = 1, then a long valley that is almost flat.
    """

    name: ClassVar[str] = "beale"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned"})
    source: ClassVar[str] = "Beale 1958, DeepOBS (Schneider et al. 2019, arXiv 1903.05499)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1500

    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around (1, 1)."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": 1 + self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        first, second, third = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
        return first.square() + second.square() + third.square()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.tensor([3.0, 0.5])}
