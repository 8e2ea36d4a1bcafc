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
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.images import digits
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
        return _covariance_root_and_samples()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "encoder": self.spread * normal(streams.init, BOTTLENECK, 64),
            "decoder": self.spread * normal(streams.init, 64, BOTTLENECK),
        }

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        reconstruction = parameters["decoder"] @ (parameters["encoder"] @ constants["root"])
        return (constants["root"] - reconstruction).square().sum()

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _reconstructions(parameters["encoder"], parameters["decoder"], constants)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        leading = _leading_eigenvectors()
        return {"encoder": leading.T.contiguous(), "decoder": leading}


@dataclass(frozen=True)
class TiedAe(ExactTask):
    """f(W) = mean ‖x - Wᵀ W x‖², on all digits at once: a linear autoencoder that decodes with what it encodes with.

    Source: Oja 1982 (J. Math. Biology 15) and Baldi and Hornik 1989 (Neural Networks 2), on scikit-learn's digits.
    Shapes: W (8, 64), x (64,) an image with pixels scaled to [0, 1], less the mean image. The mean over the 1797 images
    is ‖(I - Wᵀ W) S‖² with S (64, 64) the root of their covariance, which is how it is computed. W starts as
    N(0, 1/64).
    Optimum: f* = 1.53044819, as without tied weights: the best projection on 8 dimensions is symmetric, and W is any
    orthonormal basis of the leading 8 eigenvectors (Eckart and Young 1936).

    Exposes a loss of fourth order in one matrix, steep beyond the unit sphere, and its saddles one after another. The
    two copies of W in the gradient add up.
    """

    name: ClassVar[str] = "tied_ae"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "saddle", "matrix"})
    source: ClassVar[str] = "Oja 1982, Baldi and Hornik 1989, on scikit-learn's digits"
    optimum: ClassVar[float | None] = 1.53044819
    horizon: ClassVar[int] = 400

    spread: float = knob(0.125, above=0)
    """Standard deviation of the start; the saddle at the origin is at 0."""

    def shared(self) -> Tensors:
        return _covariance_root_and_samples()

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"weight": self.spread * normal(streams.init, BOTTLENECK, 64)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        reconstruction = parameters["weight"].T @ (parameters["weight"] @ constants["root"])
        return (constants["root"] - reconstruction).square().sum()

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _reconstructions(parameters["weight"], parameters["weight"].T, constants)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"weight": _leading_eigenvectors().T.contiguous()}


def _covariance_root_and_samples() -> Tensors:
    """The symmetric root (64, 64) of the covariance, the mean image (64,), and two images less the mean (2, 64)."""
    eigenvalues, eigenvectors = _principal_components()
    images = torch.tensor(digits()[0])
    root = (eigenvectors * np.sqrt(eigenvalues)) @ eigenvectors.T
    mean = images.double().mean(0).to(torch.float32)
    return {"root": torch.tensor(root, dtype=torch.float32), "mean": mean, "samples": images[:2] - mean}


def _reconstructions(encoder: Tensor, decoder: Tensor, constants: Tensors) -> Tensors:
    """Two images (2, 8, 8) and what comes out when they go through the bottleneck."""
    reconstructed = constants["samples"] @ encoder.T @ decoder.T
    both = {"images": constants["samples"], "reconstructions": reconstructed}
    return {name: (constants["mean"] + centred).view(2, 8, 8) for name, centred in both.items()}


def _leading_eigenvectors() -> Tensor:
    return torch.tensor(_principal_components()[1][:, :BOTTLENECK].copy(), dtype=torch.float32)


@cache
def _principal_components() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues (64,) of the covariance of the images, from large to small, and eigenvectors (64, 64) as columns."""
    images = digits()[0].astype(np.float64)
    images = images - images.mean(0)
    eigenvalues, eigenvectors = np.linalg.eigh(images.T @ images / len(images))
    return eigenvalues[::-1].clip(min=0), eigenvectors[:, ::-1]
