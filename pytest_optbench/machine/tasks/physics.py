"""Physics-informed networks: trained on a differential equation instead of data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

GRID = 101
"""Points of the evaluation, evenly spaced and including both ends."""


@dataclass(frozen=True)
class PinnPoisson(Task):
    """f = mean (u''(x)/π² + sin πx)² + u(0)² + u(1)², u a 1-20-20-1 tanh network on [0, 1].

    Source: physics-informed networks, Raissi et al. 2019 (J. Comput. Phys. 378), on the Poisson equation.
    Shapes: weights (20, 1) from N(0, 2²), (20, 20) and (1, 20) from N(0, 1/20); biases (20,) from N(0, 1), (20,) and
    (1,) at 0; 32 points x per seed, one in each 32nd of the interval.
    Optimum: unknown (the error tends to 0 as the network gets close to u = sin πx), so the target is relative to the
    references.

    The evaluation is the relative L2 error ‖u - sin πx‖ / ‖sin πx‖ on 101 points. u'' is exact, by the chain rule:
    every layer maps (h, h', h'') to (tanh a, s a', s a'' - 2 tanh a · s a'²), where s = 1 - tanh² a. Exposes a loss
    of two terms, of which the boundary is stiff: the more it weighs, the smaller the steps that the equation gets.
    """

    name: ClassVar[str] = "pinn_poisson"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "ill_conditioned", "physics"})
    source: ClassVar[str] = "Raissi et al. 2019 (J. Comput. Phys. 378), Poisson equation"
    horizon: ClassVar[int] = 500

    width: int = knob(20, least=1)
    """Units of both hidden layers."""
    points: int = knob(32, least=1)
    """Where the equation is enforced."""
    boundary: float = knob(1.0, above=0)
    """Weight of the boundary condition."""

    def shared(self) -> Tensors:
        grid = torch.linspace(0, 1, GRID, dtype=torch.float64)
        return {"grid": grid.float(), "truth": (math.pi * grid).sin().float()}

    def private(self, streams: Streams) -> Tensors:
        return {"points": (torch.arange(self.points) + uniform(streams.data, self.points)) / self.points}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": 2 * normal(streams.init, self.width, 1),
            "bias_0": normal(streams.init, self.width),
            "weight_1": normal(streams.init, self.width, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(self.width),
            "weight_2": normal(streams.init, 1, self.width) * self.width**-0.5,
            "bias_2": torch.zeros(1),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        points = constants["points"]
        residual = _curvature(parameters, points) / math.pi**2 + (math.pi * points).sin()
        ends = _solution(parameters, constants["grid"][[0, -1]])
        return residual.square().mean() + self.boundary * ends.square().sum()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        error = _solution(parameters, constants["grid"]) - constants["truth"]
        return (error.square().sum() / constants["truth"].square().sum()).sqrt()


def _solution(parameters: Tensors, points: Tensor) -> Tensor:
    """The network's u (n,) at `points` (n,)."""
    hidden = points[None]
    for layer in "01":
        hidden = (parameters[f"weight_{layer}"] @ hidden + parameters[f"bias_{layer}"][:, None]).tanh()
    return (parameters["weight_2"] @ hidden + parameters["bias_2"][:, None])[0]


def _curvature(parameters: Tensors, points: Tensor) -> Tensor:
    """The network's u'' (n,) at `points` (n,)."""
    hidden, first, second = points[None], torch.ones_like(points)[None], torch.zeros_like(points)[None]
    for layer in "01":
        weight, bias = parameters[f"weight_{layer}"], parameters[f"bias_{layer}"]
        hidden, first, second = (weight @ hidden + bias[:, None]).tanh(), weight @ first, weight @ second
        slope = 1 - hidden.square()
        first, second = slope * first, slope * second - 2 * hidden * slope * first.square()
    return (parameters["weight_2"] @ second)[0]
