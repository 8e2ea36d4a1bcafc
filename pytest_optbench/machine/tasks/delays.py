"""Delays: gradients that arrive some steps after the parameters that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.func import grad

from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class DelayedGrad4(Sphere10):
    """f(x) = ½ ‖x - m‖², where the gradient of step t is the one at the parameters of step t - 4.

    Source: `AsyncDelayedGradients` of learned_optimization (Metz et al. 2022, arXiv 2203.11860); `gradient_delay` of
    LightBench.
    Shapes: x (10,), the gradients on their way (4, 10); the start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Until the first one arrives there is the gradient at the start, as from workers that have all begun there.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes momentum: with a delay of k steps, plain descent is stable up to a learning rate of 2 sin(π / (4k + 2)),
    0.35 here, and what averages over the past adds to the delay.
    """

    name: ClassVar[str] = "delayed_grad4"
    source: ClassVar[str] = "AsyncDelayedGradients of learned_optimization (Metz et al. 2022, arXiv 2203.11860)"
    horizon: ClassVar[int] = 400

    delay: int = knob(4, least=1, harder="more")
    """Steps between parameters and the arrival of their gradient."""

    def memory(self, parameters: Tensors, constants: Tensors) -> Tensors:
        first = grad(self.value)(parameters, constants)["x"]
        return {"waiting": first.expand(self.delay, -1).clone()}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        waiting = torch.cat([memory["waiting"], gradient["x"][None]])
        return {"x": waiting[0]}, {"waiting": waiting[1:]}


@dataclass(frozen=True)
class DelayedGrad16(DelayedGrad4):
    """f(x) = ½ ‖x - m‖², where the gradient of step t is the one at the parameters of step t - 16.

    Source: as `delayed_grad4`. A task of its own rather than a second block of that one: a learning rate that the long
    delay allows is one at which the short delay never shows.
    Shapes: x (10,), the gradients on their way (16, 10); start and m as in `delayed_grad4`.
    Optimum: f* = 0 at m, as in `delayed_grad4`.

    Exposes the same, where plain descent is stable up to a learning rate of 0.095.
    """

    name: ClassVar[str] = "delayed_grad16"
    horizon: ClassVar[int] = 800

    delay: int = knob(16, least=1, harder="more")
    """Steps between parameters and the arrival of their gradient."""
