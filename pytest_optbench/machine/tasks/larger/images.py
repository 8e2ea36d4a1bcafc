"""Larger networks on digits of 16x16 pixels: a deep perceptron, a convolutional network, a variational autoencoder."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, unfold

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.digits import DigitsTask
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.images import TRAINING_SAMPLES, cross_entropy, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.larger.budget import SEEDS, TAG, steps
from pytest_optbench.machine.tasks.task import Task, Tensors, Tier
from pytest_optbench.words.threshold import Threshold

SIDE = 16
PIXELS = SIDE * SIDE
EVALUATED = 160
"""Held-out images that a network is evaluated on, always the same: it happens every second step."""
HELD_OUT = slice(TRAINING_SAMPLES, TRAINING_SAMPLES + EVALUATED)


def enlarged() -> Tensors:
    """The digits with `images` (1797, 256) of 16x16 pixels, interpolated bilinearly."""
    data = data_set()
    images = interpolate(data["images"].view(-1, 1, 8, 8), (SIDE, SIDE), mode="bilinear", align_corners=False)
    return {**data, "images": images.flatten(1)}


@dataclass(frozen=True)
class _Classifier(DigitsTask):
    """Base class: cross-entropy on minibatches of training images; evaluated on 160 of those that are held out."""

    tier: ClassVar[Tier] = "full"
    seeds: ClassVar[int] = SEEDS
    gates: ClassVar[bool] = False
    sane = Task.sane

    batch_size: int = knob(64, least=2)

    def shared(self) -> Tensors:
        return enlarged()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        images, labels = constants["images"][HELD_OUT], constants["labels"][HELD_OUT]
        return cross_entropy(self.logits(parameters, images), labels)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images, labels = constants["images"][HELD_OUT], constants["labels"][HELD_OUT]
        found = self.logits(parameters, images).argmax(0) == labels
        return {"accuracy": found.to(images.dtype).mean()}


@dataclass(frozen=True)
class LargerMlp(_Classifier):
    """f = mean cross-entropy of a 256-128-128-128-128-10 network with ReLU, on minibatches of 64.

    Source: the perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860), deeper, on digits of 16x16.
    Shapes: weights (128, 256), 3 of (128, 128), (10, 128), as He et al. 2015; biases at 0.
    Optimum: unknown.
    """

    name: ClassVar[str] = "larger_mlp"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", TAG})
    source: ClassVar[str] = "after learned_optimization (Metz et al. 2022, arXiv 2203.11860), digits at 16x16"
    horizon: ClassVar[int] = 400
    threshold: ClassVar[Threshold | None] = steps(400)

    width: int = knob(128, least=1)
    layers: int = knob(5, least=2)

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        sizes = [PIXELS, *[self.width] * (self.layers - 1), 10]
        found = {}
        for k, (fan_in, units) in enumerate(itertools.pairwise(sizes)):
            found[f"weight_{k}"] = normal(streams.init, units, fan_in) * (2 / fan_in) ** 0.5
            found[f"bias_{k}"] = torch.zeros(units)
        return found

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        hidden = images.T
        for k in range(self.layers):
            hidden = parameters[f"weight_{k}"] @ hidden + parameters[f"bias_{k}"][:, None]
            hidden = hidden.relu() if k < self.layers - 1 else hidden
        return hidden


@dataclass(frozen=True)
class LargerCnn(_Classifier):
    """f = mean cross-entropy of three 3x3 convolutions of stride 2 with ReLU and a dense layer, on minibatches of 32.

    Source: as `digits_conv2c`, a layer deeper and with twice as many channels, on digits of 16x16.
    Shapes: kernels (8, 1, 3, 3), (16, 8, 3, 3), (32, 16, 3, 3); weight (10, 128); biases at 0, but the first at 0.1.
    Images of 16x16 shrink to 8x8, 4x4 and 2x2. Kernels start as He et al. 2015, the last weight as N(0, 1/128).
    Optimum: unknown.

    A convolution is computed as the matrix product of kernels and patches.
    """

    name: ClassVar[str] = "larger_cnn"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "convolution", TAG})
    source: ClassVar[str] = "2c2d of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), deeper, digits at 16x16"
    horizon: ClassVar[int] = 200
    threshold: ClassVar[Threshold | None] = steps(200)

    batch_size: int = knob(32, least=2)
    channels: int = knob(8, least=1)
    """Of the first layer; each further one has twice as many."""

    def shared(self) -> Tensors:
        data = enlarged()
        return {**data, "images": _patches(data["images"].view(-1, 1, SIDE, SIDE))}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        found: Tensors = {}
        before = 1
        for k in range(3):
            channels = self.channels * 2**k
            found[f"kernel_{k}"] = normal(streams.init, channels, before, 3, 3) * (2 / (9 * before)) ** 0.5
            # Where an image is blank, a sum of zero would sit on the kink of ReLU.
            found[f"bias_{k}"] = torch.full((channels,), 0.1 if k == 0 else 0.0)
            before = channels
        found["weight"] = normal(streams.init, 10, 4 * before) * (4 * before) ** -0.5
        found["bias"] = torch.zeros(10)
        return found

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        """Logits (10, n) of images that are given as their patches (n, 9, 64)."""
        count = len(images)
        # Maps are (channels, n, places), patches (channels * 9, n * places).
        patches = images.transpose(0, 1).flatten(1)
        for k, side in enumerate((8, 4, 2)):
            kernels = parameters[f"kernel_{k}"]
            maps = (kernels.flatten(1) @ patches + parameters[f"bias_{k}"][:, None]).relu()
            if side > 2:
                # What cuts maps into patches is a matrix of zeros and ones.
                unit = torch.eye(side * side, dtype=maps.dtype, device=maps.device)
                cutting = _patches(unit.view(-1, 1, side, side)).flatten(1)
                cut = (maps.view(-1, side * side) @ cutting).view(len(kernels), count, 9, -1)
                patches = cut.transpose(1, 2).reshape(9 * len(kernels), -1)
        features = maps.view(len(kernels), count, 4).transpose(1, 2).reshape(-1, count)
        return parameters["weight"] @ features + parameters["bias"][:, None]


def _patches(maps: Tensor) -> Tensor:
    """The 3x3 patches (n, 9, places) that a stride of 2 visits in `maps` (n, 1, height, width)."""
    return unfold(maps, 3, padding=1, stride=2)


@dataclass(frozen=True)
class LargerVae(Task):
    """f = -ELBO of a variational autoencoder, 256-128-2x16 and 16-128-256, with Bernoulli pixels, minibatches of 64.

    Source: Kingma and Welling 2013 (arXiv 1312.6114), on digits of 16x16.
    Shapes: weights (128, 256), (32, 128), (128, 16), (256, 128), as N(0, 1/fan-in); biases at 0; a batch is 64 indices
    of training images and the standard normal noise (64, 16) of their posteriors.
    Optimum: unknown.

    The evaluation is the mean over the held-out images with noise that is always the same, in nats per image.
    """

    name: ClassVar[str] = "larger_vae"
    tier = "full"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "generative", TAG})
    source: ClassVar[str] = "Kingma and Welling 2013 (arXiv 1312.6114), digits at 16x16"
    horizon: ClassVar[int] = 400
    seeds: ClassVar[int] = SEEDS
    gates: ClassVar[bool] = False
    threshold: ClassVar[Threshold | None] = steps(400)

    batch_size: int = knob(64, least=2)
    width: int = knob(128, least=1)
    latent: int = knob(16, least=1)

    def shared(self) -> Tensors:
        data = enlarged()
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "held-out"))
        return {
            "images": data["images"],
            "noise": normal(generator, EVALUATED, self.latent),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        sizes = {
            "encode_0": (self.width, PIXELS),
            "encode_1": (2 * self.latent, self.width),
            "decode_0": (self.width, self.latent),
            "decode_1": (PIXELS, self.width),
        }
        found: Tensors = {}
        for name, shape in sizes.items():
            found[name] = normal(streams.init, *shape) * shape[1] ** -0.5
            found[f"{name}_bias"] = torch.zeros(shape[0])
        return found

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data),
            "noise": normal(streams.noise, steps, self.batch_size, self.latent),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self._bound(parameters, constants["images"][batch["rows"]], batch["noise"])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self._bound(parameters, constants["images"][HELD_OUT], constants["noise"])

    def _bound(self, parameters: Tensors, images: Tensor, noise: Tensor) -> Tensor:
        hidden = _dense(parameters, "encode_0", images).relu()
        mean, log_variance = _dense(parameters, "encode_1", hidden).chunk(2, dim=1)
        latents = mean + (0.5 * log_variance).exp() * noise
        logits = _dense(parameters, "decode_1", _dense(parameters, "decode_0", latents).relu())
        error = binary_cross_entropy_with_logits(logits, images, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()
        return (error + divergence) / len(images)


def _dense(parameters: Tensors, name: str, inputs: Tensor) -> Tensor:
    return inputs @ parameters[name].T + parameters[f"{name}_bias"]
