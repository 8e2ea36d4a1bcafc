"""Batch scaling: one network and one number of epochs, at a small, a usual and a large batch."""

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
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.perceptron import dead_units, outputs, started
from pytest_optbench.machine.tasks.task import Task, Tensors

EPOCHS = 12


class _BatchScaling(Task):
    """What the three of them share; they differ in the batch, and in how many steps an epoch has."""

    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "batch sizes of Shallue et al. 2019 (arXiv 1811.03600), on scikit-learn's digits"
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (1.8, 4.0), "dead_units": (0.0, 0.5)}
    )
    batch: ClassVar[int]
    width: int

    def shared(self) -> Tensors:
        return data_set()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return started(streams.init, 64, self.width, 10)

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        logits = outputs(parameters, constants["images"][batch["rows"]].T)
        return cross_entropy(logits[None], constants["labels"][batch["rows"]][None])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        logits = outputs(parameters, constants["images"][:EVALUATED].T)
        return cross_entropy(logits[None], constants["labels"][:EVALUATED][None])

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images, labels = constants["images"][TRAINING_SAMPLES:], constants["labels"][TRAINING_SAMPLES:]
        return classification_metrics(outputs(parameters, images.T).T, labels)

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["images"][:EVALUATED].T)}


@dataclass(frozen=True)
class BatchScaling32(_BatchScaling):
    """f = mean cross-entropy of a 64-32-10 network with ReLU, on minibatches of 32.

    Source: batch sizes as in Shallue et al. 2019, arXiv 1811.03600, on scikit-learn's digits.
    Shapes: weights (32, 64), (10, 32), biases (32,), (10,); a batch is 32 indices of training images, drawn with
    replacement. Weights start as He et al. 2015 (arXiv 1502.01852), biases at 0.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references, at equal epochs: 12 of
    them are the horizon of all three batch sizes. At 16 a gate
    of AdamW takes some 1200 steps, and several times as long.

    The evaluation is the cross-entropy of 480 training images; the metrics are those of the 360 held-out images.
    Exposes how much an optimizer makes of many noisy steps. It sees the images of one epoch in 45 steps.
    """

    name: ClassVar[str] = "batch_scaling32"
    horizon: ClassVar[int] = EPOCHS * TRAINING_SAMPLES // 32
    batch: ClassVar[int] = 32

    width: int = knob(32, least=1)
    """Units of the hidden layer."""


@dataclass(frozen=True)
class BatchScaling128(_BatchScaling):
    """f = mean cross-entropy of a 64-32-10 network with ReLU, on minibatches of 128.

    Source: batch sizes as in Shallue et al. 2019, arXiv 1811.03600, on scikit-learn's digits.
    Shapes: as `batch_scaling32`, but for a batch of 128 indices.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references in 12 epochs.

    Evaluation and metrics are those of `batch_scaling32`. An epoch has 11 steps.
    """

    name: ClassVar[str] = "batch_scaling128"
    horizon: ClassVar[int] = EPOCHS * TRAINING_SAMPLES // 128
    batch: ClassVar[int] = 128

    width: int = knob(32, least=1)
    """Units of the hidden layer."""


@dataclass(frozen=True)
class BatchScaling512(_BatchScaling):
    """f = mean cross-entropy of a 64-32-10 network with ReLU, on minibatches of 512.

    Source: batch sizes as in Shallue et al. 2019, arXiv 1811.03600, on scikit-learn's digits.
    Shapes: as `batch_scaling32`, but for a batch of 512 indices.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references in 12 epochs.

    Evaluation and metrics are those of `batch_scaling32`. An epoch has under three steps: exposes whether an optimizer
    makes large steps of gradients that have little noise, and how long its averages take to warm up. With batches of
    1400 it is over after some 11 steps, in which nobody can tell a few percent.
    """

    name: ClassVar[str] = "batch_scaling512"
    horizon: ClassVar[int] = EPOCHS * TRAINING_SAMPLES // 512
    batch: ClassVar[int] = 512

    width: int = knob(32, least=1)
    """Units of the hidden layer."""
