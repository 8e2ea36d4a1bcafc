"""The one-dimensional shapes of Schaul et al., at scale `normal` and with additive Gaussian gradient noise."""

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
