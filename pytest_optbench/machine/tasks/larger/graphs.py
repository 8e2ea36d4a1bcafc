"""A larger graph network: four communities of noisy nodes, told apart by three rounds of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.larger.budget import SEEDS, TAG, steps
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.threshold import Threshold

COMMUNITIES = 4
COMMUNITY = 60
LABELLED = 15
"""Of each community; a step sees half of them."""
WITHIN, BETWEEN = 0.2, 0.04
FEATURES = 16
SIGNAL = 0.3
"""How far from 0 the mean of every feature is, in standard deviations."""
SMOOTHING = 0.1


@dataclass(frozen=True)
class LargerGcn(Task):
    """f = mean cross-entropy, smoothed by 0.1, of labelled nodes under three graph convolutions with residuals.

    Source: Kipf and Welling 2017 (arXiv 1609.02907) on the stochastic block model (Holland et al. 1983), deeper.
    Shapes: W₀ (16, 64), W₁ and W₂ (64, 64), each with a bias (64,), head (64, 4) and (4,), as He et al. 2015. Nodes of
    one of four communities of 60 are linked with probability 0.2, others with 0.04, anew per seed; features (240, 16)
    are N(±0.3 v, I), v of signs drawn per community. 15 nodes of each are labelled; a batch is 30 of these 60.
    Optimum: unknown.

    The evaluation is the same cross-entropy of the nodes without label.
    """

    name: ClassVar[str] = "larger_gcn"
    tier = "full"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "graph", TAG})
    source: ClassVar[str] = "Kipf and Welling 2017 (arXiv 1609.02907) on the stochastic block model"
    horizon: ClassVar[int] = 200
    seeds: ClassVar[int] = SEEDS
    gates: ClassVar[bool] = False
    threshold: ClassVar[Threshold | None] = steps(200)

    batch_size: int = knob(30, least=1)
    width: int = knob(64, least=1)

    def private(self, streams: Streams) -> Tensors:
        labels = torch.arange(COMMUNITIES).repeat_interleave(COMMUNITY)
        count = len(labels)
        chances = torch.where(labels[:, None] == labels, WITHIN, BETWEEN)
        links = (uniform(streams.data, count, count) < chances).float().triu(1)
        adjacency = links + links.T + torch.eye(count)
        roots = adjacency.sum(1).rsqrt()
        means = SIGNAL * normal(streams.data, COMMUNITIES, FEATURES).sign()[labels]
        features = means + normal(streams.data, count, FEATURES)
        return {"propagation": roots[:, None] * adjacency * roots, "features": features}

    def shared(self) -> Tensors:
        within = torch.arange(COMMUNITIES * COMMUNITY).view(COMMUNITIES, COMMUNITY)
        return {
            "labels": torch.arange(COMMUNITIES).repeat_interleave(COMMUNITY),
            "labelled": within[:, :LABELLED].flatten(),
            "others": within[:, LABELLED:].flatten(),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        found: Tensors = {}
        for k, fan_in in enumerate((FEATURES, self.width, self.width)):
            found[f"weight_{k}"] = normal(streams.init, fan_in, self.width) * (2 / fan_in) ** 0.5
            found[f"bias_{k}"] = torch.zeros(self.width)
        found["head"] = normal(streams.init, self.width, COMMUNITIES) * self.width**-0.5
        found["head_bias"] = torch.zeros(COMMUNITIES)
        return found

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        # Without replacement: the first so many of a random order.
        orders = uniform(streams.data, steps, COMMUNITIES * LABELLED).argsort(1)
        return {"nodes": orders[:, : self.batch_size]}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self._cross_entropy(parameters, constants, constants["labelled"][batch["nodes"]])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self._cross_entropy(parameters, constants, constants["others"])

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        found = self._logits(parameters, constants)[constants["others"]].argmax(1)
        right = found == constants["labels"][constants["others"]]
        return {"accuracy": right.to(constants["features"].dtype).mean()}

    def _cross_entropy(self, parameters: Tensors, constants: Tensors, nodes: Tensor) -> Tensor:
        logits = self._logits(parameters, constants)[nodes]
        return cross_entropy(logits, constants["labels"][nodes], label_smoothing=SMOOTHING)

    def _logits(self, parameters: Tensors, constants: Tensors) -> Tensor:
        """Logits (nodes, communities)."""
        hidden = constants["features"]
        for k in range(3):
            messages = constants["propagation"] @ (hidden @ parameters[f"weight_{k}"]) + parameters[f"bias_{k}"]
            hidden = messages.relu() if k == 0 else hidden + messages.relu()
        return hidden @ parameters["head"] + parameters["head_bias"]
