"""Adversarial training: two players descend losses that oppose each other, both at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, grad_and_value
from torch.nn.functional import cross_entropy, softplus

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

GENERATOR = ("mean", "log_scale")
SHOWN = 32
ANGLE = math.radians(40)
"""By which the digits of the other domain are turned."""
DOMAIN_WIDTH = 16
PENALTY = 1.0
"""Weight of the squared slope of the discriminator on data (R1 of Mescheder et al. 2018, arXiv 1801.04406)."""


@dataclass(frozen=True)
class GaussGan(Task):
    """f(m, s) = (m - m*)² + (eˢ - e^s*)², the squared Wasserstein distance of a generator N(m, e²ˢ) from the data.

    Source: generative adversarial networks, Goodfellow et al. 2014 (arXiv 1406.2661); stands for the DCGAN of DeepOBS.
    Shapes: the generator's m (1,) and s (1,); the discriminator's logit D(x) = w·(x, x²/2) + b, with w (2,) and b (1,);
    a batch is 256 data points N(m*, e²ˢ*) and 256 standard normal noise numbers, which the generator scales and shifts.
    Per seed m* is ±[1, 2] and s* is in ±[0.3, 0.7], both uniform. The generator starts N(0, 0.1²) around m = s = 0, the
    discriminator likewise.
    Optimum: f* = 0 where the generator has the data's moments. There D = 0 is the discriminator's best answer: its
    family holds the log ratio of any two Gaussians, and its value is -2 log 2.

    The discriminator descends softplus(-D(data)) + softplus(D(generated)) + ½ D'(data)², the generator
    softplus(-D(generated)), both from the same batch (simultaneous play, non-saturating). The penalty is zero at the
    equilibrium and damps the rotation around it: without, AdamW at lr 0.01 stayed at f = 0.1 instead of 0.01.
    Exposes rotation: each player's descent is the other's
    moving target, and momentum feeds it.
    """

    name: ClassVar[str] = "gauss_gan"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "game", "generative"})
    source: ClassVar[str] = "Goodfellow et al. 2014 (arXiv 1406.2661)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600

    batch_size: int = knob(256, least=1)
    """Data points, and as many generated ones."""

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "shown"))
        return {"shown": normal(generator, SHOWN)}

    def private(self, streams: Streams) -> Tensors:
        least, width = torch.tensor([1.0, 0.3]), torch.tensor([1.0, 0.4])
        mean, log_scale = (normal(streams.data, 2).sign() * (least + width * uniform(streams.data, 2))).unbind()
        return {"mean": mean, "scale": log_scale.exp()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        sizes = {"mean": 1, "log_scale": 1, "weight": 2, "bias": 1}
        return {name: 0.1 * normal(streams.init, size) for name, size in sizes.items()}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "data": constants["mean"] + constants["scale"] * normal(streams.data, steps, self.batch_size),
            "noise": normal(streams.noise, steps, self.batch_size),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The sum of both players' losses."""
        return _discriminator_loss(parameters, batch) + _generator_loss(parameters, batch)

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        generator, discriminator = (
            grad(_generator_loss)(parameters, batch),
            grad(_discriminator_loss)(parameters, batch),
        )
        gradient = {name: (generator if name in GENERATOR else discriminator)[name] for name in parameters}
        return self.loss(parameters, constants, batch), gradient

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return (_generator_loss if name in GENERATOR else _discriminator_loss)(parameters, batch)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        mean_error = parameters["mean"][0] - constants["mean"]
        return mean_error.square() + (parameters["log_scale"][0].exp() - constants["scale"]).square()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {
            "mean_error": (parameters["mean"][0] - constants["mean"]).abs(),
            "scale_error": (parameters["log_scale"][0].exp() - constants["scale"]).abs(),
        }

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Generated numbers, always from the same draws."""
        return {"samples": parameters["mean"] + parameters["log_scale"].exp() * constants["shown"]}

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {
            "mean": constants["mean"][None],
            "log_scale": constants["scale"].log()[None],
            "weight": torch.zeros(2),
            "bias": torch.zeros(1),
        }


@dataclass(frozen=True)
class DomainAdversarialDigits(Task):
    """f = cross-entropy of upright digits (labelled in training) plus that of digits turned by 40° (never labelled).

    Source: domain-adversarial training, Ganin et al. 2016 (arXiv 1505.07818), on scikit-learn's digits.
    Shapes: features relu(64-32), a label head 32-10 and a domain head 32-16-1 (ReLU); weights start as He et al. 2015
    (arXiv 1502.01852), biases at 0; a batch is 64 indices of upright training images and 64 of turned ones, drawn with
    replacement. Turned images are interpolated bilinearly.
    Optimum: unknown (without labels the turned digits cannot be fitted), so the target is relative to the references.

    The label head descends the cross-entropy C of the upright images, the domain head the cross-entropy D of telling
    upright from turned, and the features C - 0.3 D: the reversed gradient, at once with the others. The evaluation is
    the mean cross-entropy of 240 upright and 240 turned training images, always the same, the metrics are those of the
    360 held-out images, turned. Exposes a pull that is against the descent of another part of the same network.
    """

    name: ClassVar[str] = "domain_adversarial_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "game"})
    source: ClassVar[str] = "Ganin et al. 2016 (arXiv 1505.07818), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (2.0, 4.5), "dead_units": (0.0, 0.5)}
    )

    width: int = knob(32, least=1)
    """Features."""
    batch_size: int = knob(64, least=1)
    """Images of each domain."""
    reversal: float = knob(0.3, least=0)
    """What the domain head's loss weighs in that of the features."""

    def shared(self) -> Tensors:
        data = data_set()
        return {**data, "turned": data["images"] @ torch.tensor(_turning(), dtype=torch.float32).T}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "features": normal(streams.init, self.width, 64) * (2 / 64) ** 0.5,
            "features_bias": torch.zeros(self.width),
            "label": normal(streams.init, 10, self.width) * (2 / self.width) ** 0.5,
            "label_bias": torch.zeros(10),
            "domain_0": normal(streams.init, DOMAIN_WIDTH, self.width) * (2 / self.width) ** 0.5,
            "domain_bias_0": torch.zeros(DOMAIN_WIDTH),
            "domain_1": normal(streams.init, 1, DOMAIN_WIDTH) * (2 / DOMAIN_WIDTH) ** 0.5,
            "domain_bias_1": torch.zeros(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        rows = torch.randint(TRAINING_SAMPLES, (2, steps, self.batch_size), generator=streams.data)
        return {"rows": rows[0], "turned_rows": rows[1]}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """What the features and the label head descend."""
        upright = _features(parameters, constants["images"][batch["rows"]])
        turned = _features(parameters, constants["turned"][batch["turned_rows"]])
        labels = cross_entropy(_labels(parameters, upright)[None], constants["labels"][batch["rows"]][None])
        told_apart = softplus(-_domains(parameters, upright)).mean() + softplus(_domains(parameters, turned)).mean()
        return labels - self.reversal * told_apart / 2

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        gradient, value = grad_and_value(self.loss)(parameters, constants, batch)
        return value, {name: self._sign(name) * tensor for name, tensor in gradient.items()}

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self._sign(name) * self.loss(parameters, constants, batch)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        half = EVALUATED // 2
        images = torch.cat([constants["images"][:half], constants["turned"][half:EVALUATED]])
        logits = _labels(parameters, _features(parameters, images))
        return cross_entropy(logits[None], constants["labels"][None, :EVALUATED])

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        turned = _features(parameters, constants["turned"][TRAINING_SAMPLES:])
        upright = _features(parameters, constants["images"][TRAINING_SAMPLES:])
        correct = (_domains(parameters, upright) > 0).sum() + (_domains(parameters, turned) <= 0).sum()
        figures = classification_metrics(_labels(parameters, turned).T, constants["labels"][TRAINING_SAMPLES:])
        return {**figures, "domain_accuracy": correct / (2 * upright.shape[1])}

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        units = _features(parameters, constants["images"][:EVALUATED])
        return {"dead_units": (units == 0).all(1).to(units.dtype).mean()}

    def _sign(self, name: str) -> float:
        """What turns the loss into that of the player whose parameter this is, up to the weight of the reversal."""
        return -1.0 if name.startswith("domain") else 1.0


def _discriminator_loss(parameters: Tensors, batch: Tensors) -> Tensor:
    linear, quadratic = parameters["weight"].unbind()
    slopes = linear + quadratic * batch["data"]
    told_apart = softplus(-_logits(parameters, batch["data"])) + softplus(_generated_logits(parameters, batch))
    return (told_apart + 0.5 * PENALTY * slopes.square()).mean()


def _generator_loss(parameters: Tensors, batch: Tensors) -> Tensor:
    return softplus(-_generated_logits(parameters, batch)).mean()


def _generated_logits(parameters: Tensors, batch: Tensors) -> Tensor:
    return _logits(parameters, parameters["mean"] + parameters["log_scale"].exp() * batch["noise"])


def _logits(parameters: Tensors, points: Tensor) -> Tensor:
    """The discriminator's log odds that `points` (n,) are data."""
    linear, quadratic = parameters["weight"].unbind()
    return linear * points + quadratic * points.square() / 2 + parameters["bias"]


def _features(parameters: Tensors, images: Tensor) -> Tensor:
    """Features (width, n) of `images` (n, 64)."""
    return (parameters["features"] @ images.T + parameters["features_bias"][:, None]).relu()


def _labels(parameters: Tensors, features: Tensor) -> Tensor:
    """Logits (10, n) of the labels."""
    return parameters["label"] @ features + parameters["label_bias"][:, None]


def _domains(parameters: Tensors, features: Tensor) -> Tensor:
    """The log odds (n,) that an image is upright."""
    hidden = (parameters["domain_0"] @ features + parameters["domain_bias_0"][:, None]).relu()
    return (parameters["domain_1"] @ hidden + parameters["domain_bias_1"][:, None])[0]


@cache
def _turning() -> list[list[float]]:
    """The linear map (64, 64) that turns an image around its centre, with zeros from outside."""
    places = np.arange(8) - 3.5
    rows, columns = (grid.ravel() for grid in np.meshgrid(places, places, indexing="ij"))
    sine, cosine = math.sin(ANGLE), math.cos(ANGLE)
    sources = np.stack([cosine * rows + sine * columns, cosine * columns - sine * rows]) + 3.5
    # Bilinear: the weight of a pixel falls linearly to zero at distance 1 in either direction.
    row_weights, column_weights = (np.clip(1 - abs(source[:, None] - np.arange(8)), 0, None) for source in sources)
    turning: list[list[float]] = (row_weights[:, :, None] * column_weights[:, None, :]).reshape(64, 64).tolist()
    return turning
