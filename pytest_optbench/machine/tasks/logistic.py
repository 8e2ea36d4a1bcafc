"""Logistic regression on the data sets of scikit-learn: small convex problems whose optimum is known to ten digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics, one_hot
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.images import cross_entropy, digits
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors

WEIGHT_DECAY = 1e-3
_Data = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class _Logreg(ExactTask):
    """Base class: softmax regression with a penalty on the weights, on a whole data set at once."""

    tier = "small"
    source: ClassVar[str] = "benchopt logreg_l2 (Moreau et al. 2022, arXiv 2206.13424)"
    data: ClassVar[Callable[[], _Data]]
    """Features (n, features) and labels (n,)."""

    spread: float = knob(0.1, above=0, harder="more")
    """Standard deviation of the starting weights."""

    def shared(self) -> Tensors:
        features, labels = type(self).data()
        return {"images": torch.tensor(features), "labels": torch.tensor(labels)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        classes, features = (int(one) for one in (type(self).data()[1].max() + 1, constants["images"].shape[1]))
        return {"weight": self.spread * normal(streams.init, classes, features), "bias": torch.zeros(classes)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        penalty = 0.5 * WEIGHT_DECAY * parameters["weight"].square().sum()
        return cross_entropy(self._logits(parameters, constants), constants["labels"]) + penalty

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return classification_metrics(self._logits(parameters, constants).T, constants["labels"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        both = _optimal_weights(type(self).data).to(torch.float32)
        return {"weight": both[:, :-1].contiguous(), "bias": both[:, -1].contiguous()}

    def _logits(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return parameters["weight"] @ constants["images"].T + parameters["bias"][:, None]


@dataclass(frozen=True)
class DigitsLogreg(_Logreg):
    """f(W, b) = mean cross-entropy(X Wᵀ + b, y) + ½ 1e-3 ‖W‖², on all images at once, pixels scaled to [0, 1].

    Source: benchopt `logreg_l2` (Moreau et al. 2022, arXiv 2206.13424), on scikit-learn's digits.
    Shapes: W (10, 64), b (10,), X (1797, 64), y (1797,); the start is N(0, 0.1²) for W and 0 for b.
    Optimum: f* = 0.26186455 by Newton's method in float64. The penalty makes it unique, up to a constant in b.

    Exposes convergence on an easy convex problem. Its metrics are those of the training set: nothing is held out.
    """

    name: ClassVar[str] = "digits_logreg"
    version: ClassVar[int] = 2
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "classification", "linear"})
    optimum: ClassVar[float | None] = 0.26186455
    horizon: ClassVar[int] = 500
    data: ClassVar[Callable[[], _Data]] = digits


@cache
def _breast_cancer() -> _Data:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    return _standardized(*load_breast_cancer(return_X_y=True))


@cache
def _wine() -> _Data:
    from sklearn.datasets import load_wine  # noqa: PLC0415

    return _standardized(*load_wine(return_X_y=True))


@cache
def _iris() -> _Data:
    from sklearn.datasets import load_iris  # noqa: PLC0415

    return _standardized(*load_iris(return_X_y=True))


def _standardized(features: NDArray[np.float64], labels: NDArray[np.int64]) -> _Data:
    """Columns of mean 0 and variance 1; read-only arrays."""
    scaled = ((features - features.mean(0)) / features.std(0)).astype(np.float32)
    labels = labels.astype(np.int64)
    scaled.setflags(write=False)
    labels.setflags(write=False)
    return scaled, labels


@dataclass(frozen=True)
class BreastCancerLogreg(_Logreg):
    """f(W, b) = mean cross-entropy(X Wᵀ + b, y) + ½ 1e-3 ‖W‖², on all samples at once, columns standardized.

    Source: benchopt `logreg_l2` (Moreau et al. 2022, arXiv 2206.13424), on the breast cancer data of scikit-learn
    (Wolberg, Street and Mangasarian 1995).
    Shapes: W (2, 30), b (2,), X (569, 30), y (569,); the start is N(0, 0.1²) for W and 0 for b.
    Optimum: f* = 0.05348553 by Newton's method in float64. The penalty makes it unique, up to a constant in b.

    Exposes correlated features: radius, perimeter and area of a nucleus say almost the same.
    """

    name: ClassVar[str] = "breast_cancer_logreg"
    tags: ClassVar[frozenset[str]] = frozenset(
        {"convex", "deterministic", "classification", "linear", "ill_conditioned"}
    )
    optimum: ClassVar[float | None] = 0.05348553
    horizon: ClassVar[int] = 500
    data: ClassVar[Callable[[], _Data]] = _breast_cancer

    spread: float = knob(0.1, above=0)  # it hardly matters: medians of 89, 88.5 and 88.5 steps at 0.05, 0.1 and 0.2
    """Standard deviation of the starting weights."""


@dataclass(frozen=True)
class WineLogreg(_Logreg):
    """f(W, b) = mean cross-entropy(X Wᵀ + b, y) + ½ 1e-3 ‖W‖², on all samples at once, columns standardized.

    Source: benchopt `logreg_l2` (Moreau et al. 2022, arXiv 2206.13424), on the wine data of scikit-learn (Aeberhard
    and Forina 1992).
    Shapes: W (3, 13), b (3,), X (178, 13), y (178,); the start is N(0, 0.1²) for W and 0 for b.
    Optimum: f* = 0.02584777 by Newton's method in float64. The penalty makes it unique, up to a constant in b.

    Exposes what happens when the classes can be separated: the penalty alone keeps the weights finite.
    """

    name: ClassVar[str] = "wine_logreg"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "classification", "linear"})
    optimum: ClassVar[float | None] = 0.02584777
    horizon: ClassVar[int] = 500
    data: ClassVar[Callable[[], _Data]] = _wine


@dataclass(frozen=True)
class IrisLogreg(_Logreg):
    """f(W, b) = mean cross-entropy(X Wᵀ + b, y) + ½ 1e-3 ‖W‖², on all samples at once, columns standardized.

    Source: benchopt `logreg_l2` (Moreau et al. 2022, arXiv 2206.13424), on the iris data of scikit-learn (Fisher 1936).
    Shapes: W (3, 4), b (3,), X (150, 4), y (150,); the start is N(0, 0.1²) for W and 0 for b.
    Optimum: f* = 0.10236808 by Newton's method in float64. The penalty makes it unique, up to a constant in b.

    Exposes large weights: what tells two of the classes apart is a small difference, so that the way is long.
    """

    name: ClassVar[str] = "iris_logreg"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "classification", "linear"})
    optimum: ClassVar[float | None] = 0.10236808
    horizon: ClassVar[int] = 500
    data: ClassVar[Callable[[], _Data]] = _iris

    spread: float = knob(0.1, above=0)  # more is not harder: medians of 194, 186 and 172 steps at 0.05, 0.1 and 0.2
    """Standard deviation of the starting weights."""


@cache
def _optimal_weights(data: Callable[[], _Data]) -> Tensor:
    """Weight and bias side by side (classes, features + 1) at the optimum, by Newton's method in float64."""
    features, labels = (torch.tensor(array) for array in data())
    X = torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
    classes, columns = int(labels.max()) + 1, X.shape[1]
    Y = one_hot(labels, classes, torch.float64)
    squares = (X[:, :, None] * X[:, None, :]).flatten(1)
    # A constant in the bias changes nothing; a trace of penalty keeps the curvature invertible all the same.
    penalty = torch.tensor([WEIGHT_DECAY] * (columns - 1) + [1e-9], dtype=torch.float64)
    W = torch.zeros(classes, columns, dtype=torch.float64)
    for _ in range(12):
        P = (X @ W.T).softmax(1)
        gradient = (P - Y).T @ X / len(X) + penalty * W
        covariances = (torch.diag_embed(P) - P[:, :, None] * P[:, None, :]).flatten(1)
        curvature = (covariances.T @ squares / len(X)).view(classes, classes, columns, columns).transpose(1, 2)
        curvature = curvature.reshape(classes * columns, classes * columns) + penalty.repeat(classes).diag()
        W = W - torch.linalg.solve(curvature, gradient.flatten()).view(classes, columns)
    return W
