"""Handwritten digits: the 1797 images of 8x8 pixels that ship inside scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics, one_hot
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

WEIGHT_DECAY = 1e-3
TRAINING_SAMPLES = 1437
EVALUATED = 480
"""Training images that networks are evaluated on, always the same: on all of them it would cost twice the gradients."""
NORMALIZATION_EPS = 1e-5


@dataclass(frozen=True)
class DigitsLogreg(ExactTask):
    """f(W, b) = mean cross-entropy(X Wᵀ + b, y) + ½ 1e-3 ‖W‖², on all images at once, pixels scaled to [0, 1].

    Source: benchopt `logreg_l2` (Moreau et al. 2022, arXiv 2206.13424), on scikit-learn's digits.
    Shapes: W (10, 64), b (10,), X (1797, 64), y (1797,); the start is N(0, 0.1²) for W and 0 for b.
    Optimum: f* = 0.26186455 by Newton's method in float64. The penalty makes it unique, up to a constant in b.

    Exposes convergence on an easy convex problem. Its metrics are those of the training set: nothing is held out.
    """

    name: ClassVar[str] = "digits_logreg"
    version: ClassVar[int] = 2
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "classification", "linear"})
    source: ClassVar[str] = "benchopt logreg_l2 (Moreau et al. 2022, arXiv 2206.13424)"
    optimum: ClassVar[float | None] = 0.26186455
    horizon: ClassVar[int] = 500

    spread: float = knob(0.1, above=0, harder="more")
    """Standard deviation of the starting weights."""

    def shared(self) -> Tensors:
        return _data_set()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"weight": self.spread * normal(streams.init, 10, 64), "bias": torch.zeros(10)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        penalty = 0.5 * WEIGHT_DECAY * parameters["weight"].square().sum()
        return _cross_entropy(self._logits(parameters, constants), constants["labels"]) + penalty

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return classification_metrics(self._logits(parameters, constants).T, constants["labels"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        both = _logistic_regression().to(torch.float32)
        return {"weight": both[:, :64].contiguous(), "bias": both[:, 64].contiguous()}

    def _logits(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return parameters["weight"] @ constants["images"].T + parameters["bias"][:, None]


@dataclass(frozen=True)
class DigitsMlp32Relu(Task):
    """f = mean cross-entropy of a 64-32-10 network with ReLU, on minibatches of 96.

    Source: the `Relu32` perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860).
    Shapes: weights (32, 64), (10, 32); biases (32,), (10,); a batch is 96 indices of training images, drawn with
    replacement. Weights start as He et al. 2015 (arXiv 1502.01852), biases at 0.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    The evaluation is the cross-entropy of 480 training images, always the same; the metrics are those of the 360
    held-out images.
    Exposes what every optimizer is for: a small network on easy data, with the noise of minibatches.
    """

    name: ClassVar[str] = "digits_mlp32_relu"
    version: ClassVar[int] = 2
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "learned_optimization (Metz et al. 2022, arXiv 2203.11860), on scikit-learn's digits"
    horizon: ClassVar[int] = 500

    width: int = knob(32, least=1, harder="less")
    """Units of the hidden layer."""
    batch_size: int = knob(96, least=1)

    def shared(self) -> Tensors:
        return _data_set()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 64) * (2 / 64) ** 0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, 10, self.width) * (2 / self.width) ** 0.5,
            "bias_1": torch.zeros(10),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        images, labels = constants["images"][batch["rows"]], constants["labels"][batch["rows"]]
        return _cross_entropy(_mlp(parameters, images), labels)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        images, labels = constants["images"][:EVALUATED], constants["labels"][:EVALUATED]
        return _cross_entropy(_mlp(parameters, images), labels)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images, labels = constants["images"][TRAINING_SAMPLES:], constants["labels"][TRAINING_SAMPLES:]
        return classification_metrics(_mlp(parameters, images).T, labels)


@dataclass(frozen=True)
class DigitsMlpBn(Task):
    """f = mean cross-entropy of a 64-32-32-10 network with batch normalization and ReLU, on minibatches of 128.

    Source: the batch-normalized perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860).
    Shapes: weights (32, 64), (32, 32), (10, 32); gain and shift (32,) after each of the first two; bias (10,); a batch
    is 128 indices of training images, drawn with replacement. Weights start as He et al. 2015 (arXiv 1502.01852).
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    The evaluation is the cross-entropy of 480 training images, normalized by their own statistics; the metrics are
    those of the 360 held-out images under the same statistics. Exposes weight decay: normalized weights have no scale
    of their own, so that decay sets the effective learning rate, and gains should not decay with them.
    """

    name: ClassVar[str] = "digits_mlp_bn"
    version: ClassVar[int] = 3
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "batch_norm"})
    source: ClassVar[str] = "learned_optimization (Metz et al. 2022, arXiv 2203.11860), on scikit-learn's digits"
    horizon: ClassVar[int] = 600

    width: int = knob(32, least=1, harder="less")
    """Units of both hidden layers."""
    batch_size: int = knob(128, least=2)

    def shared(self) -> Tensors:
        return _data_set()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 64) * (2 / 64) ** 0.5,
            "gain_0": torch.ones(self.width),
            "shift_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, self.width, self.width) * (2 / self.width) ** 0.5,
            "gain_1": torch.ones(self.width),
            "shift_1": torch.zeros(self.width),
            "weight_2": normal(streams.init, 10, self.width) * (2 / self.width) ** 0.5,
            "bias_2": torch.zeros(10),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        images, labels = constants["images"][batch["rows"]], constants["labels"][batch["rows"]]
        return _cross_entropy(_normalized_mlp(parameters, images, self.batch_size), labels)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        images, labels = constants["images"][:EVALUATED], constants["labels"][:EVALUATED]
        return _cross_entropy(_normalized_mlp(parameters, images, EVALUATED), labels)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images = torch.cat([constants["images"][:EVALUATED], constants["images"][TRAINING_SAMPLES:]])
        logits = _normalized_mlp(parameters, images, EVALUATED)
        return classification_metrics(logits[:, EVALUATED:].T, constants["labels"][TRAINING_SAMPLES:])


def _mlp(parameters: Tensors, images: Tensor) -> Tensor:
    """Logits (10, n) of `images` (n, 64)."""
    hidden = (parameters["weight_0"] @ images.T + parameters["bias_0"][:, None]).relu()
    return parameters["weight_1"] @ hidden + parameters["bias_1"][:, None]


def _normalized_mlp(parameters: Tensors, images: Tensor, normalizing: int) -> Tensor:
    """Logits (10, n) of all `images` (n, 64); the first `normalizing` of them give the statistics of every layer."""
    hidden = images.T
    for layer in "01":
        sums = parameters[f"weight_{layer}"] @ hidden
        centred = sums - sums[:, :normalizing].mean(1, keepdim=True)
        variance = centred[:, :normalizing].square().mean(1, keepdim=True)
        scale = parameters[f"gain_{layer}"][:, None] * (variance + NORMALIZATION_EPS).rsqrt()
        hidden = (centred * scale + parameters[f"shift_{layer}"][:, None]).relu()
    return parameters["weight_2"] @ hidden + parameters["bias_2"][:, None]


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of `logits` (classes, n): with the samples last, softmax is three times as fast."""
    return cross_entropy(logits[None], labels[None])


def _data_set() -> Tensors:
    images, labels = digits()
    return {"images": torch.tensor(images), "labels": torch.tensor(labels)}


@cache
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (1797, 64) in [0, 1] and labels (1797,), shuffled since neighbours share a writer; read-only arrays."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(labels))
    images, labels = (images[order] / 16).astype(np.float32), labels[order].astype(np.int64)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels


@cache
def _logistic_regression() -> Tensor:
    """Weight and bias side by side (10, 65) at the optimum of `digits_logreg`, by Newton's method in float64."""
    images, labels = (torch.tensor(array) for array in digits())
    X = torch.cat([images.double(), torch.ones(len(images), 1, dtype=torch.float64)], dim=1)
    Y = one_hot(labels, 10, torch.float64)
    squares = (X[:, :, None] * X[:, None, :]).flatten(1)
    # A constant in the bias changes nothing; a trace of penalty keeps the curvature invertible all the same.
    penalty = torch.tensor([WEIGHT_DECAY] * 64 + [1e-9], dtype=torch.float64)
    W = torch.zeros(10, 65, dtype=torch.float64)
    for _ in range(8):
        P = (X @ W.T).softmax(1)
        gradient = (P - Y).T @ X / len(X) + penalty * W
        covariances = (torch.diag_embed(P) - P[:, :, None] * P[:, None, :]).flatten(1)
        curvature = (covariances.T @ squares / len(X)).view(10, 10, 65, 65).transpose(1, 2).reshape(650, 650)
        W = W - torch.linalg.solve(curvature + penalty.repeat(10).diag(), gradient.flatten()).view(10, 65)
    return W
