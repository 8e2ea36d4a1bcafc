"""Semi-supervised learning: few labels, and many images whose predictions should at least not depend on noise."""

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
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.perceptron import dead_units, outputs, started
from pytest_optbench.machine.tasks.task import Task, Tensors

PER_CLASS = 5


@dataclass(frozen=True)
class SemisupDigits(Task):
    """f = mean cross-entropy of 50 labelled images + 5 mean ‖p(x) - p(x + 0.2 n)‖² of 32 others, p a 64-32-10 network.

    Source: the Π-model (Laine and Aila 2017, arXiv 1610.02242), with the noise in one of its two views, on
    scikit-learn's digits.
    Shapes: weights (32, 64), (10, 32), biases (32,), (10,), ReLU between; they start as He et al. 2015 (arXiv
    1502.01852), biases at 0. The labelled images are 5 of each digit, all at every step, and the same
    for all seeds, since what a draw of 50 is good for differs more than optimizers do; a batch is 32
    indices of the other training images, drawn with replacement, and noise (32, 64).
    Optimum: unknown, so the target is relative to the references.

    The 480 images of the evaluation are neither labelled nor in any batch: their cross-entropy is that of a fit to 50
    labels, which has to hold for the others. The metrics are those of the 360 held-out images. Exposes two losses of
    different noise and scale under one step size.
    """

    name: ClassVar[str] = "semisup_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "semi_supervised"})
    source: ClassVar[str] = "the Π-model (Laine and Aila 2017, arXiv 1610.02242), on scikit-learn's digits"
    horizon: ClassVar[int] = 150
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (1.8, 4.0), "dead_units": (0.0, 0.5)}
    )

    width: int = knob(32, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(32, least=1)
    """Images without labels."""
    consistency: float = knob(5.0, least=0)
    """Weight of what predictions change under noise."""
    noise: float = knob(0.2, least=0)
    """Standard deviation of the noise in every pixel."""

    def shared(self) -> Tensors:
        data = data_set()
        labels = data["labels"]
        rows = torch.arange(EVALUATED, TRAINING_SAMPLES)
        # A stable sort: the first rows of each digit, whose order is a shuffled one, are a fair draw.
        by_digit = rows[labels[rows].argsort(stable=True)]
        firsts = (labels[by_digit].diff(prepend=torch.tensor([-1])) > 0).nonzero()
        labelled = by_digit[(firsts + torch.arange(PER_CLASS)).flatten()]
        others = torch.ones(TRAINING_SAMPLES, dtype=torch.bool)
        others[:EVALUATED] = False
        others[labelled] = False
        return {**data, "labelled": labelled, "unlabelled": others.nonzero()[:, 0]}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return started(streams.init, 64, self.width, 10)

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        unlabelled = constants["unlabelled"]
        drawn = torch.randint(len(unlabelled), (steps, self.batch_size), generator=streams.data)
        return {
            "rows": unlabelled[drawn],
            "noise": self.noise * normal(streams.noise, steps, self.batch_size, 64),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        clean = constants["images"][batch["rows"]]
        labelled = constants["labelled"]
        # One pass for all: three matrix products of a few samples cost thrice as much as one.
        logits = outputs(parameters, torch.cat([constants["images"][labelled], clean, clean + batch["noise"]]).T)
        supervised = cross_entropy(logits[None, :, : len(labelled)], constants["labels"][labelled][None])
        one, other = logits[:, len(labelled) :].softmax(0).chunk(2, dim=1)
        return supervised + self.consistency * (one - other).square().sum(0).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        logits = outputs(parameters, constants["images"][:EVALUATED].T)
        return cross_entropy(logits[None], constants["labels"][:EVALUATED][None])

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images, labels = constants["images"][TRAINING_SAMPLES:], constants["labels"][TRAINING_SAMPLES:]
        return classification_metrics(outputs(parameters, images.T).T, labels)

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["images"][:EVALUATED].T)}
