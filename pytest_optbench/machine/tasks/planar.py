"""Planar classes: points of the plane that no straight line tells apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, softplus

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

HELD_OUT = 240
ARMS = 3
MOON_NOISE = 0.2
"""Standard deviation of the points around their half circle."""


@dataclass(frozen=True)
class TwoMoons(Task):
    """f = E log(1 + exp(-y z(x))), z a 2-16-1 network with tanh, x on one of two interleaved half circles, with noise.

    Source: `make_moons` of scikit-learn (Pedregosa et al. 2011, JMLR 12), noise 0.2.
    Shapes: weights (16, 2), (1, 16), biases (16,), (1,); a batch is 64 points (64, 2), drawn anew, and their labels ±1
    (64,). An angle that turns both moons is drawn per seed; weights start as N(0, 1 / fan-in), biases as N(0, 1) and 0.
    Optimum: f* = 0 as evaluated, the mean Kullback-Leibler divergence of the network's from the true probability of
    the label, on 240 frozen points: the expected excess over the Bayes loss. The true probability is that of the noise
    around either half circle, by a sum over 400 points of each.

    The metrics are those of the same points. Exposes calibration: without noise, whatever large steps tell the moons
    apart (AdamW did at lr 3, on most seeds), here probabilities have to be right.
    """

    name: ClassVar[str] = "two_moons"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "make_moons of scikit-learn (Pedregosa et al. 2011, JMLR 12)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (0.4, 2.5)})

    width: int = knob(16, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(64, least=1)

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "held-out"))
        points, labels = _moons(generator, HELD_OUT)
        log_odds = _moons_log_odds(points.double())
        entropies = torch.special.entr(torch.stack([log_odds.sigmoid(), (-log_odds).sigmoid()])).sum(0)
        return {
            "upright": points,
            "chances": log_odds.sigmoid().float(),
            "entropy": entropies.mean().float(),
            "held_out_labels": labels,
        }

    def private(self, streams: Streams) -> Tensors:
        angle = 2 * math.pi * uniform(streams.data, 1)
        cos, sin = angle.cos(), angle.sin()
        return {"turn": torch.stack([torch.cat([cos, -sin]), torch.cat([sin, cos])])}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 2) * 0.5**0.5,
            "bias_0": normal(streams.init, self.width),
            "weight_1": normal(streams.init, 1, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        points, labels = _moons(streams.data, steps, self.batch_size)
        return {"points": points @ constants["turn"], "labels": 2 * labels.float() - 1}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return softplus(-batch["labels"] * _outputs(parameters, batch["points"])[0]).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        log_odds = self._held_out_log_odds(parameters, constants)
        return (softplus(log_odds) - constants["chances"] * log_odds).mean() - constants["entropy"]

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        log_odds = self._held_out_log_odds(parameters, constants)
        return classification_metrics(torch.stack([-log_odds, log_odds], 1) / 2, constants["held_out_labels"])

    def _held_out_log_odds(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return _outputs(parameters, constants["upright"] @ constants["turn"])[0]


def _moons(generator: Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """Points (..., 2) around the middle of both moons, and which of them (...) they belong to."""
    labels = torch.randint(2, shape, generator=generator)
    return _half_circle(labels, uniform(generator, *shape)) + MOON_NOISE * normal(generator, *shape, 2), labels


def _half_circle(labels: Tensor, along: Tensor) -> Tensor:
    """The points (..., 2) at the share `along` (...) of the half circles `labels` (...)."""
    side = 1 - 2 * labels.to(along.dtype)
    return torch.stack([side * ((math.pi * along).cos() - 0.5), side * ((math.pi * along).sin() - 0.25)], -1)


def _moons_log_odds(points: Tensor) -> Tensor:
    """The true log odds (n,) of the second moon at `points` (n, 2)."""
    along = (torch.arange(400, dtype=points.dtype) + 0.5) / 400
    densities = []
    for label in range(2):
        offsets = points[:, None, :] - _half_circle(torch.tensor(label), along)
        densities.append((-0.5 * offsets.square().sum(-1) / MOON_NOISE**2).logsumexp(1))
    return densities[1] - densities[0]


@dataclass(frozen=True)
class Spiral(Task):
    """f = mean cross-entropy of a 2-24-24-3 network with tanh that tells three interleaved spiral arms apart.

    Source: the spirals of the CS231n notes (Karpathy 2015), after Lang and Witbrock 1988.
    Shapes: weights (24, 2), (24, 24), (3, 24), biases (24,), (24,), (3,); a batch is 96 points (96, 2), drawn anew, and
    their arms (96,). At radius 2 r, r uniform in [0.1, 1], an arm has the angle 2π (arm / 3 + 0.6 r) + N(0, 0.1²), and
    an angle of the whole spiral is drawn per seed. Weights start as N(0, 1 / fan-in), biases as N(0, 1) but for the
    last at 0.
    Optimum: f* = 0, which is approached and never attained: arms are 2π / 3 = 2.09 apart, twenty standard deviations.

    The evaluation is the cross-entropy of 240 held-out points, drawn once per seed. Exposes a target that takes both
    layers at once: without the first, the second has nothing to tell apart.
    """

    name: ClassVar[str] = "spiral"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "CS231n (Karpathy 2015), after Lang and Witbrock 1988"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (0.9, 3.0)})

    width: int = knob(24, least=1, harder="less")
    """Units of both hidden layers."""
    batch_size: int = knob(96, least=1)
    turns: float = knob(0.6, above=0, harder="more")
    """How often an arm winds around the centre."""

    def private(self, streams: Streams) -> Tensors:
        angle = 2 * math.pi * uniform(streams.data, 1)
        points, arms = self._points(streams.data, angle, HELD_OUT)
        return {"angle": angle, "held_out": points, "held_out_labels": arms}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 2) * 0.5**0.5,
            "bias_0": normal(streams.init, self.width),
            "weight_1": normal(streams.init, self.width, self.width) * self.width**-0.5,
            "bias_1": normal(streams.init, self.width),
            "weight_2": normal(streams.init, ARMS, self.width) * self.width**-0.5,
            "bias_2": torch.zeros(ARMS),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        points, arms = self._points(streams.data, constants["angle"], steps, self.batch_size)
        return {"points": points, "labels": arms}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return cross_entropy(_outputs(parameters, batch["points"])[None], batch["labels"][None])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return cross_entropy(_outputs(parameters, constants["held_out"])[None], constants["held_out_labels"][None])

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return classification_metrics(_outputs(parameters, constants["held_out"]).T, constants["held_out_labels"])

    def _points(self, generator: Generator, angle: Tensor, *shape: int) -> tuple[Tensor, Tensor]:
        arms = torch.randint(ARMS, shape, generator=generator)
        radius = 0.1 + 0.9 * uniform(generator, *shape)
        around = 2 * math.pi * (arms / ARMS + self.turns * radius) + 0.1 * normal(generator, *shape) + angle
        return 2 * torch.stack([radius * around.cos(), radius * around.sin()], -1), arms


def _outputs(parameters: Tensors, points: Tensor) -> Tensor:
    """Outputs (classes, n) of a tanh network for `points` (n, 2)."""
    units = points.T
    last = len(parameters) // 2 - 1
    for layer in range(last):
        units = (parameters[f"weight_{layer}"] @ units + parameters[f"bias_{layer}"][:, None]).tanh()
    return parameters[f"weight_{last}"] @ units + parameters[f"bias_{last}"][:, None]
