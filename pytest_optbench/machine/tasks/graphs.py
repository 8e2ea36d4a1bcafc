"""Graphs: nodes that are told apart by their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

COMMUNITY = 50
LABELLED = 10
WITHIN, BETWEEN = 0.6, 0.02
SMOOTHING = 0.2
FEATURES = 8


@dataclass(frozen=True)
class GcnSbm(Task):
    """f = mean cross-entropy of the labelled nodes, smoothed by 0.2, under the logits Â relu(Â X W₀ + b₀) W₁ + b₁.

    Source: graph convolutional networks (Kipf and Welling 2017, arXiv 1609.02907) on the stochastic block model
    (Holland et al. 1983), in place of Cora.
    Shapes: W₀ (8, 16), b₀ (16,), W₁ (16, 2), b₁ (2,), as He et al. 2015 (arXiv 1502.01852) with biases at 0; Â
    (100, 100) is the adjacency with loops, divided by the roots of both degrees. Nodes of one community are linked with
    probability 0.6, others with 0.02, anew per seed; features X (100, 8) are N(± 0.15 v, I), v of signs drawn per seed.
    10 nodes of each community are labelled, all at every step.
    Optimum: unknown, so the target is relative to the references. The graph alone tells all communities (the regime of
    exact recovery, Abbe et al. 2016, arXiv 1405.3267: (√60 - √2)² > 2 ln 100), which would leave the entropy of the
    smoothing, 0.32508297: each label counts 0.9, and the other 0.1 (Szegedy et al. 2016, arXiv 1512.00567).

    The evaluation is the smoothed cross-entropy of the 80 nodes without label; metrics are theirs too. Smoothing is
    there because without it, whatever large steps separate the communities: AdamW needed 8 of them, at lr 3. Exposes a
    network whose layers mix the samples, and a fit to few labels that has to hold for the others.
    """

    name: ClassVar[str] = "gcn_sbm"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "classification", "graph"})
    source: ClassVar[str] = "Kipf and Welling 2017 (arXiv 1609.02907) on the stochastic block model"
    horizon: ClassVar[int] = 60
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (0.5, 2.0), "dead_units": (0.0, 0.6)}
    )

    width: int = knob(16, least=1)
    """Units of the hidden layer."""
    signal: float = knob(0.15, above=0)
    """How far from 0 the mean of every feature is, in standard deviations."""

    def private(self, streams: Streams) -> Tensors:
        sides = torch.tensor([1.0, -1.0]).repeat_interleave(COMMUNITY)
        chances = torch.where(sides[:, None] == sides, WITHIN, BETWEEN)
        links = (uniform(streams.data, 2 * COMMUNITY, 2 * COMMUNITY) < chances).float().triu(1)
        adjacency = links + links.T + torch.eye(2 * COMMUNITY)
        roots = adjacency.sum(1).rsqrt()
        means = self.signal * sides[:, None] * normal(streams.data, FEATURES).sign()
        features = means + normal(streams.data, 2 * COMMUNITY, FEATURES)
        propagation = roots[:, None] * adjacency * roots
        return {"propagation": propagation, "features": propagation @ features}

    def shared(self) -> Tensors:
        return {"labels": torch.arange(2).repeat_interleave(COMMUNITY)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, FEATURES, self.width) * (2 / FEATURES) ** 0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, self.width, 2) * (2 / self.width) ** 0.5,
            "bias_1": torch.zeros(2),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        logits, labels = _of_both(_logits(parameters, constants), constants["labels"], slice(LABELLED))
        return cross_entropy(logits, labels, label_smoothing=SMOOTHING)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        logits, labels = _of_both(_logits(parameters, constants), constants["labels"], slice(LABELLED, None))
        return cross_entropy(logits, labels, label_smoothing=SMOOTHING)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        logits = _logits(parameters, constants)
        return classification_metrics(*_of_both(logits, constants["labels"], slice(LABELLED, None)))

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        hidden = _hidden(parameters, constants)
        return {"dead_units": (hidden.amax(0) <= 0).to(hidden.dtype).mean()}


def _hidden(parameters: Tensors, constants: Tensors) -> Tensor:
    """Units (nodes, width); the features have been propagated once and for all."""
    return (constants["features"] @ parameters["weight_0"] + parameters["bias_0"]).relu()


def _logits(parameters: Tensors, constants: Tensors) -> Tensor:
    """Logits (nodes, 2) of the communities."""
    return constants["propagation"] @ (_hidden(parameters, constants) @ parameters["weight_1"]) + parameters["bias_1"]


def _of_both(logits: Tensor, labels: Tensor, nodes: slice) -> tuple[Tensor, Tensor]:
    """Logits (n, 2) and labels (n,) of these nodes of either community."""
    parts = [slice(None, COMMUNITY), slice(COMMUNITY, None)]
    return torch.cat([logits[part][nodes] for part in parts]), torch.cat([labels[part][nodes] for part in parts])
