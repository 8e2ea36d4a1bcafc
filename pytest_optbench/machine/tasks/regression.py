"""Linear regression, in the few numbers that decide its loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class DiabetesOls(ExactTask):
    """f(w) = ½ mean (X w - y)², on all 442 patients at once, columns of X and y standardized.

    Source: benchopt `OLS` (Moreau et al. 2022, arXiv 2206.13424), on scikit-learn's diabetes (Efron et al. 2004).
    Shapes: w (10,), X (442, 10), y (442,); the start is N(0, 1). With X/√n = Q R, the loss is ½ ‖R w - Qᵀ y/√n‖² plus
    the constant that no w can change, which is how it is computed: from R (10, 10) and Qᵀ y/√n (10,).
    Optimum: f* = 0.24112579, half the variance that least squares leaves, where f(0) = ½ is half of what there is.

    Exposes correlated features: XᵀX has condition 470, since two of the blood values are almost one.
    """

    name: ClassVar[str] = "diabetes_ols"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "linear", "ill_conditioned"})
    source: ClassVar[str] = "benchopt OLS (Moreau et al. 2022, arXiv 2206.13424)"
    optimum: ClassVar[float | None] = 0.24112579
    horizon: ClassVar[int] = 600

    spread: float = knob(1.0, above=0)
    """Standard deviation of the starting weights."""

    def shared(self) -> Tensors:
        R, projection, residual = _reduced()
        return {
            "R": torch.tensor(R, dtype=torch.float32),
            "projection": torch.tensor(projection, dtype=torch.float32),
            "residual": torch.tensor(residual, dtype=torch.float32),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"weight": self.spread * normal(streams.init, 10)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        distance = constants["R"] @ parameters["weight"] - constants["projection"]
        return 0.5 * distance.square().sum() + constants["residual"]

    def solution(self, constants: Tensors, step: int) -> Tensors:
        R, projection, _ = _reduced()
        return {"weight": torch.tensor(np.linalg.solve(R, projection), dtype=torch.float32)}


@cache
def _reduced() -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """R (10, 10), Qᵀ y/√n (10,) and half the mean square of what least squares leaves of y."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    X, y = (_standardized(array) / np.sqrt(len(array)) for array in load_diabetes(return_X_y=True))
    Q, R = np.linalg.qr(X)
    projection = Q.T @ y
    return R, projection, 0.5 * float(((y - Q @ projection) ** 2).sum())


def _standardized(array: NDArray[np.float64]) -> NDArray[np.float64]:
    standardized: NDArray[np.float64] = (array - array.mean(0)) / array.std(0)
    return standardized
