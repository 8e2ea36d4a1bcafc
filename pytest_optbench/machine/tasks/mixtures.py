"""Mixtures: two Gaussian classes, told apart by logistic regression, whose best possible loss is an integral."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

NODES = 48
"""Of the quadrature: around the optimum, more of them change nothing that float32 could hold."""
HELD_OUT = 1010


class _Mixture(Task):
    """What both mixtures share: classes N(c ± ½ δ u, I), of which the one at +½ δ u has the probability `share`."""

    tier = "small"
    separation: ClassVar[float]
    """The distance δ of the means."""
    share: ClassVar[float]
    dimension: int
    batch_size: int
    spread: float

    def shared(self) -> Tensors:
        return {name: torch.tensor(values, dtype=torch.float32) for name, values in _quadrature().items()}

    def private(self, streams: Streams) -> Tensors:
        direction = normal(streams.data, self.dimension)
        geometry = {
            "direction": direction / direction.norm(),
            "centre": 0.5 * normal(streams.data, self.dimension),
        }
        positive = torch.arange(HELD_OUT) < round(self.share * HELD_OUT)
        inputs = self._inputs(streams.data, 2 * positive.float() - 1, geometry)
        return {**geometry, "held_out": inputs, "held_out_labels": positive.long()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"weight": self.spread * normal(streams.init, self.dimension), "bias": torch.zeros(1)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        positive = uniform(streams.data, steps, self.batch_size) < self.share
        labels = 2 * positive.float() - 1
        return {"inputs": self._inputs(streams.data, labels, constants), "labels": labels}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return softplus(-batch["labels"] * _log_odds(parameters, batch["inputs"])).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        weight = parameters["weight"]
        middle = (weight * constants["centre"]).sum() + parameters["bias"]
        half = 0.5 * self.separation * (weight * constants["direction"]).sum()
        around = weight.norm() * constants["nodes"]
        positive = softplus(-(middle + half + around))
        negative = softplus(middle - half + around)
        return (constants["masses"] * (self.share * positive + (1 - self.share) * negative)).sum()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        log_odds = _log_odds(parameters, constants["held_out"])
        return classification_metrics(torch.stack([-log_odds, log_odds], 1) / 2, constants["held_out_labels"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        weight = self.separation * constants["direction"]
        prior = math.log(self.share / (1 - self.share))
        return {"weight": weight, "bias": (prior - weight @ constants["centre"])[None]}

    def _inputs(self, generator: Generator, labels: Tensor, geometry: Tensors) -> Tensor:
        offsets = 0.5 * self.separation * labels[..., None] * geometry["direction"]
        return geometry["centre"] + offsets + normal(generator, *labels.shape, self.dimension)


@dataclass(frozen=True)
class Gmm2(_Mixture):
    """f(w, b) = E log(1 + exp(-y (w·x + b))), y = ±1 as likely, x from N(c + y u, I) in 20 dimensions.

    Source: Gaussian discriminant analysis (Fisher 1936; Efron 1975, JASA 70), means at a distance of δ = 2.
    Shapes: w (20,), b (1,); a batch is 48 inputs (48, 20), drawn anew, and their labels of ±1 (48,). The unit vector u
    and the centre c, from N(0, 0.5²), are drawn per seed. The start is N(0, 1) for w and 0 for b.
    Optimum: f* = 0.35631636, the expected loss of the true log odds 2 u·(x - c), which logistic regression can
    express: the integral of log(1 + exp(-2 t)) over t from N(1, 1), by Gauss-Hermite quadrature. Their error is
    Φ(-1) = 0.158655.

    The evaluation is exact: given y, the log odds are normal, so that the expected loss is the same quadrature. The
    metrics are those of a frozen sample of 1010. Exposes how fast the noise of minibatches is averaged out.
    """

    name: ClassVar[str] = "gmm2"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "classification", "linear"})
    source: ClassVar[str] = "Efron 1975 (JASA 70), two Gaussian classes"
    optimum: ClassVar[float | None] = 0.35631636
    horizon: ClassVar[int] = 500
    separation: ClassVar[float] = 2.0
    share: ClassVar[float] = 0.5

    dimension: int = knob(20, least=1)
    batch_size: int = knob(48, least=1)
    spread: float = knob(1.0, above=0, harder="more")
    """Standard deviation of the starting weights."""


@dataclass(frozen=True)
class ImbalancedGmm(_Mixture):
    """f(w, b) = E log(1 + exp(-y (w·x + b))), x from N(c + 1.5 y u, I) in 20 dimensions, 1 in 101 of the y is +1.

    Source: the imbalanced classes of LightBench, on two Gaussians (Efron 1975, JASA 70) at a distance of δ = 3.
    Shapes: w (20,), b (1,); a batch is 96 inputs (96, 20), drawn anew, and their labels of ±1 (96,), of which one is
    +1 on average. The unit vector u and the centre c, from N(0, 0.5²), are drawn per seed. The start is N(0, 1) for w
    and 0 for b.
    Optimum: f* = 0.02045014, the expected loss of the true log odds 3 u·(x - c) - log 100, by Gauss-Hermite
    quadrature. Of the classes' frequencies alone, it is 0.05554608.

    The evaluation is exact, by the same quadrature; the metrics are those of a frozen sample of 1010, with 10 of the
    rare class: accuracy says nothing here, macro-F1 does. Exposes how an optimizer takes a signal that comes in rare
    and large gradients.
    """

    name: ClassVar[str] = "imbalanced_gmm"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "classification", "linear"})
    source: ClassVar[str] = "class_imbalance of LightBench, on two Gaussian classes"
    optimum: ClassVar[float | None] = 0.02045014
    horizon: ClassVar[int] = 600
    separation: ClassVar[float] = 3.0
    share: ClassVar[float] = 1 / 101

    dimension: int = knob(20, least=1)
    batch_size: int = knob(96, least=1)
    spread: float = knob(1.0, above=0, harder="more")
    """Standard deviation of the starting weights."""


def _log_odds(parameters: Tensors, inputs: Tensor) -> Tensor:
    """Log odds of the label +1 (n,) for `inputs` (n, dimension)."""
    return inputs @ parameters["weight"] + parameters["bias"]


@cache
def _quadrature() -> dict[str, tuple[float, ...]]:
    """Nodes of a standard normal variable, and their probabilities."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return {"nodes": tuple(nodes.tolist()), "masses": tuple((weights / weights.sum()).tolist())}
