"""Restoration: images from what is left of them, against the best that a linear map could do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.images import TRAINING_SAMPLES, digits
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.perceptron import dead_units, outputs, started
from pytest_optbench.machine.tasks.task import Task, Tensors

NOISE = 0.3
"""Standard deviation of the noise in every pixel."""
SHOWN = 2
"""Images among the examples."""


@dataclass(frozen=True)
class SuperResolutionDigits(Task):
    """f = mean ‖x - U y - g(y)‖², y the 4x4 means of the 8x8 image x, U y the same, enlarged, g a 16-48-64 network.

    Source: super-resolution by residual learning (Kim et al. 2016, arXiv 1511.04587), on scikit-learn's digits.
    Shapes: weights (48, 16), (64, 48), biases (48,), (64,), ReLU between; they start as He et al. 2015 (arXiv
    1502.01852), the last weights as a tenth of that, biases at 0. A batch is 32 indices of training images, drawn with
    replacement.
    Optimum: unknown, so the target is relative to the references. The best affine map of y, fitted to the training
    images, leaves 1.4295 on the held-out ones; U y alone, which is a network of zeros, 3.18.

    The last layer starts small, as residual branches do: from the whole of He's start, 25.5 away, a tenth of the way to
    the best is within 3 steps of AdamW.

    The evaluation is the error of the 360 held-out images, a sum over 64 pixels in [0, 1]. Exposes outputs of
    different scale, whose corners hardly ever change, under one learning rate.
    """

    name: ClassVar[str] = "super_resolution_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "image_to_image"})
    source: ClassVar[str] = "residual super-resolution (Kim et al. 2016, arXiv 1511.04587), on scikit-learn's digits"
    horizon: ClassVar[int] = 250
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (2.0, 10.0), "dead_units": (0.0, 0.5)}
    )

    width: int = knob(48, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(32, least=1)

    def shared(self) -> Tensors:
        images = torch.tensor(digits()[0])
        pooled = images.view(-1, 4, 2, 4, 2).mean((2, 4))
        enlarged = pooled.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)
        return {
            "inputs": pooled.flatten(1),
            "residuals": images - enlarged,
            "linear_error": torch.tensor(linear_super_resolution_error()),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        start = started(streams.init, 16, self.width, 64)
        return {**start, "weight_1": 0.1 * start["weight_1"]}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        residuals = outputs(parameters, constants["inputs"][batch["rows"]].T)
        return _error(residuals, constants["residuals"][batch["rows"]].T)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return _error(
            outputs(parameters, constants["inputs"][TRAINING_SAMPLES:].T), constants["residuals"][TRAINING_SAMPLES:].T
        )

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _metrics(self.evaluate(parameters, constants, torch.zeros(())), constants)

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["inputs"][TRAINING_SAMPLES:].T)}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        shown = slice(TRAINING_SAMPLES, TRAINING_SAMPLES + SHOWN)
        inputs = constants["inputs"][shown]
        enlarged = inputs.view(-1, 4, 4).repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)
        return {
            "inputs": inputs.view(-1, 4, 4),
            "restored": (enlarged + outputs(parameters, inputs.T).T).reshape(-1, 8, 8),
        }


@dataclass(frozen=True)
class DenoiseDigits(Task):
    """f = mean ‖x - g(x + 0.3 n)‖², n standard normal, x an image less the mean image, g a 64-64-64 network.

    Source: denoising autoencoders (Vincent et al. 2010, JMLR 11), on scikit-learn's digits.
    Shapes: weights (64, 64), (64, 64), biases (64,), (64,), ReLU between; they start as He et al. 2015 (arXiv
    1502.01852), biases at 0. A batch is 32 indices of training images, drawn with replacement, and noise (32, 64).
    Optimum: unknown, so the target is relative to the references. The Wiener filter, the best linear map, leaves
    1.4827 on the held-out images, the mean image 4.69, and the noise itself 5.76.

    The evaluation is the error of the 360 held-out images under frozen noise, a sum over 64 pixels. Exposes regression
    under noise in its inputs, from a start whose random outputs are far off.
    """

    name: ClassVar[str] = "denoise_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "image_to_image"})
    source: ClassVar[str] = "denoising autoencoders (Vincent et al. 2010, JMLR 11), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (10.0, 100.0), "dead_units": (0.0, 0.5)}
    )

    width: int = knob(64, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(32, least=1)

    def shared(self) -> Tensors:
        images = torch.tensor(digits()[0])
        mean = images[:TRAINING_SAMPLES].mean(0)
        images = images - mean
        held_out = images[TRAINING_SAMPLES:]
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "noise"))
        return {
            "mean": mean,
            "images": images,
            "noisy": held_out + NOISE * normal(generator, *held_out.shape),
            "linear_error": torch.tensor(linear_denoising_error()),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return started(streams.init, 64, self.width, 64)

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data),
            "noise": NOISE * normal(streams.noise, steps, self.batch_size, 64),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        images = constants["images"][batch["rows"]]
        return _error(outputs(parameters, (images + batch["noise"]).T), images.T)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return _error(outputs(parameters, constants["noisy"].T), constants["images"][TRAINING_SAMPLES:].T)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _metrics(self.evaluate(parameters, constants, torch.zeros(())), constants)

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["noisy"].T)}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        noisy = constants["noisy"][:SHOWN]
        images = {"inputs": noisy, "restored": outputs(parameters, noisy.T).T}
        return {name: (constants["mean"] + image).reshape(-1, 8, 8) for name, image in images.items()}


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of images (64, n)."""
    return (found - wanted).square().sum(0).mean()


def _metrics(error: Tensor, constants: Tensors) -> Tensors:
    return {
        # Pixels go up to 1.
        "peak_signal_to_noise": -10 * (error / 64).log10(),
        "error_over_linear": error / constants["linear_error"],
    }


@cache
def linear_super_resolution_error() -> float:
    """Mean squared distance of the held-out images from the best affine map of their 4x4 means in the training set."""
    images = digits()[0].astype(np.float64)
    pooled = images.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)
    inputs = np.hstack([pooled, np.ones((len(pooled), 1))])
    mapping = np.linalg.lstsq(inputs[:TRAINING_SAMPLES], images[:TRAINING_SAMPLES], rcond=None)[0]
    return float(np.square(images - inputs @ mapping)[TRAINING_SAMPLES:].sum(1).mean())


@cache
def linear_denoising_error() -> float:
    """Mean squared distance of the held-out images from the Wiener filter of the training set, over all noise."""
    images = digits()[0].astype(np.float64)
    training, held_out = images[:TRAINING_SAMPLES], images[TRAINING_SAMPLES:]
    covariance = np.cov(training.T, bias=True)
    wiener = covariance @ np.linalg.inv(covariance + NOISE**2 * np.eye(64))
    bias = (held_out - training.mean(0)) @ (np.eye(64) - wiener).T
    return float(np.square(bias).sum(1).mean() + NOISE**2 * np.square(wiener).sum())
