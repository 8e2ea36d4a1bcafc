"""Drifting problems: the optimum moves while it is being sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors


@dataclass(frozen=True)
class DriftingMin10(Task):
    """f(x, t) = ½ ‖x - c(t)‖² with c(t) = 0.01 t u, u a random unit vector per seed, and gradient noise N(0, 0.1²).

    Source: the non-stationary quadratic of Schaul et al. 2013, arXiv 1312.6055, with a steady drift for its jumps.
    Shapes: x (10,), the minimum c (10,) and the noise (10,) of each step; the start is N(0, 1).
    Optimum: none in closed form: ½ ‖x - c(t)‖² = 0 is attained by knowing c, not by following its noisy gradients.
    The evaluation is the exact error at the step it is made, averaged over a window, so that the tail is judged.

    Exposes lag: averaging too long falls behind the drift, averaging too little lets the noise in.
    """

    name: ClassVar[str] = "drifting_min10"
    version: ClassVar[int] = 2
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "nonstationary"})
    source: ClassVar[str] = "after the non-stationary quadratic of Schaul et al. 2013 (arXiv 1312.6055)"
    horizon: ClassVar[int] = 800
    window: ClassVar[int] = 20

    dimension: int = knob(10, least=1, harder="more")
    speed: float = knob(0.01, least=0)
    """Distance that the minimum moves per step."""
    noise: float = knob(0.1, least=0)
    """Standard deviation of the gradient noise in every coordinate."""

    def private(self, streams: Streams) -> Tensors:
        direction = normal(streams.data, self.dimension)
        return {"velocity": self.speed * direction / direction.norm()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": normal(streams.init, self.dimension)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        times = torch.arange(start, start + steps)[:, None]
        return {
            "minimum": times * constants["velocity"],
            "noise": self.noise * normal(streams.noise, steps, self.dimension),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        x = parameters["x"]
        return 0.5 * (x - batch["minimum"]).square().sum() + (batch["noise"] * x).sum()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return 0.5 * (parameters["x"] - step * constants["velocity"]).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": step * constants["velocity"]}
