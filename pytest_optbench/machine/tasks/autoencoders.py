"""Autoencoders: images through a bottleneck and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.digits import digits
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors

BOTTLENECK = 8


@dataclass(frozen=True)
class LinearAe(ExactTask):
    """f(E, D) = mean ‖x - D E x‖², on all digits at once: a linear autoencoder with a bottleneck of 8.

    Source: Baldi and Hornik 1989 (Neural Networks 2), on scikit-learn's digits.
    Shapes: E (8, 64), D (64, 8), x (64,) an image with pixels scaled to [0, 1], less the mean image. The mean over the
    1797 images is ‖(I - D E) S‖² with S (64, 64) the root of their covariance, which is how it is computed. Both
    matrices start as N(0, 1/64).
    Optimum: f* = 1.53044819, the sum of the trailing 56 eigenvalues of the covariance (Eckart and Young 1936), where
    D E projects on the leading 8 eigenvectors.

    Exposes saddles that come one after another, one for each eigenvector, and a layer that depends on the other.
    """

    name: ClassVar[str] = "linear_ae"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "saddle", "matrix"})
    source: ClassVar[str] = "Baldi and Hornik 1989, on scikit-learn's digits"
    optimum: ClassVar[float | None] = 1.53044819
    horizon: ClassVar[int] = 500

    spread: float = knob(0.125, above=0)
    """Standard deviation of the start; the saddle at the origin is at 0."""

    def shared(self) -> Tensors:
        eigenvalues, eigenvectors = _principal_components()
        root = (eigenvectors * np.sqrt(eigenvalues)) @ eigenvectors.T
        return {"root": torch.tensor(root, dtype=torch.float32)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "encoder": self.spread * normal(streams.init, BOTTLENECK, 64),
            "decoder": self.spread * normal(streams.init, 64, BOTTLENECK),
        }

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        reconstruction = parameters["decoder"] @ (parameters["encoder"] @ constants["root"])
        return (constants["root"] - reconstruction).square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        leading = torch.tensor(_principal_components()[1][:, :BOTTLENECK].copy(), dtype=torch.float32)
        return {"encoder": leading.T.contiguous(), "decoder": leading}


@cache
def _principal_components() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues (64,) of the covariance of the images, from large to small, and eigenvectors (64, 64) as columns."""
    images = digits()[0].astype(np.float64)
    images = images - images.mean(0)
    eigenvalues, eigenvectors = np.linalg.eigh(images.T @ images / len(images))
    return eigenvalues[::-1].clip(min=0), eigenvectors[:, ::-1]
