"""Saddles: stationary points that an optimizer has to leave."""

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
class QuarticSaddle(ExactTask):
    """f(x, y) = x² - y² + y⁴/4, entered almost along the ridge y = 0.

    Source: the textbook saddle bounded by a quartic; after Dauphin et al. 2014, arXiv 1406.2572.
    Shapes: x (2,), which holds both coordinates; the start is (1, 1e-4) times 1 + N(0, 0.1²) per coordinate.
    Optimum: f* = -1 at x = 0, y = ±√2, where y² = 2 solves the derivative -2y + y³ = 0.

    Exposes slow escape: the gradient along y starts ten thousand times smaller than the one along x.
    """

    name: ClassVar[str] = "quartic_saddle"
    version: ClassVar[int] = 2
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "saddle"})
    source: ClassVar[str] = "quartic saddle, after Dauphin et al. 2014 (arXiv 1406.2572)"
    optimum: ClassVar[float | None] = -1.0
    horizon: ClassVar[int] = 400

    offset: float = knob(1e-4, above=0)
    """Distance of the start from the ridge, from which there is no way down."""
    jitter: float = knob(0.1, above=0)
    """Relative standard deviation of the start: relative, so that the distance from the ridge stays tiny."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        start = torch.tensor([1.0, self.offset], dtype=torch.float32)
        return {"x": start * (1 + self.jitter * normal(streams.init, 2))}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        return x.square() - y.square() + y**4 / 4

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.tensor([0.0, 2**0.5])}
