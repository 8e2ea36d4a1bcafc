"""Networks that classify handwritten digits: shallow and deep, with and without normalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, rotation
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, cross_entropy, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors, Tier

NORMALIZATION_EPS = 1e-5
_GUESSING = MappingProxyType({"initial": (2.2, 4.0)})


@dataclass(frozen=True)
class DigitsTask(Task):
    """Base class: cross-entropy of a network on minibatches of training images.

    The evaluation is the cross-entropy of 480 training images, always the same; the metrics are those of the 360
    held-out images.
    """

    tier: ClassVar[Tier] = "small"
    sane: ClassVar[Mapping[str, tuple[float, float]]] = _GUESSING
    evaluated: ClassVar[int] = EVALUATED
    """The first so many training images are what a network is evaluated on."""

    batch_size: int = knob(96, least=2)

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        """Logits (10, n) of `images` (n, pixels)."""
        raise NotImplementedError

    def shared(self) -> Tensors:
        return data_set()

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        images, labels = constants["images"][batch["rows"]], constants["labels"][batch["rows"]]
        return cross_entropy(self.logits(parameters, images), labels)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        images, labels = constants["images"][: self.evaluated], constants["labels"][: self.evaluated]
        return cross_entropy(self.logits(parameters, images), labels)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images, labels = constants["images"][TRAINING_SAMPLES:], constants["labels"][TRAINING_SAMPLES:]
        return classification_metrics(self.logits(parameters, images).T, labels)


@dataclass(frozen=True)
class DigitsMlp20Sigmoid(DigitsTask):
    """f = mean cross-entropy of a 64-20-10 network with sigmoids, on minibatches of 128.

    Source: the MNIST network of Andrychowicz et al. 2016 (arXiv 1606.04474): 20 sigmoid units, batches of 128.
    Shapes: weights (20, 64), (10, 20) as N(0, 1/fan-in); biases (20,), (10,) at 0; a batch is 128 indices of training
    images, drawn with replacement.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Exposes the learned optimizers' first benchmark: gradients that sigmoids make small, and saturation after a step
    that was too long.
    """

    name: ClassVar[str] = "digits_mlp20_sigmoid"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "L2L (Andrychowicz et al. 2016, arXiv 1606.04474), on scikit-learn's digits"
    horizon: ClassVar[int] = 300

    batch_size: int = knob(128, least=2)
    width: int = knob(20, least=1)
    """Units of the hidden layer."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 64) * 64**-0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, 10, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(10),
        }

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        hidden = (parameters["weight_0"] @ images.T + parameters["bias_0"][:, None]).sigmoid()
        return parameters["weight_1"] @ hidden + parameters["bias_1"][:, None]


@dataclass(frozen=True)
class DigitsMlp32Relu(DigitsTask):
    """f = mean cross-entropy of a 64-32-10 network with ReLU, on minibatches of 64.

    Source: the `Relu32` perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860).
    Shapes: weights (32, 64), (10, 32); biases (32,), (10,); a batch is 64 indices of training images, drawn with
    replacement. Weights start as He et al. 2015 (arXiv 1502.01852), biases at 0.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Exposes what every optimizer is for: a small network on easy data, with the noise of minibatches.
    """

    name: ClassVar[str] = "digits_mlp32_relu"
    version: ClassVar[int] = 3
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "learned_optimization (Metz et al. 2022, arXiv 2203.11860), on scikit-learn's digits"
    horizon: ClassVar[int] = 300
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({**_GUESSING, "dead_units": (0.0, 0.5)})

    batch_size: int = knob(64, least=2)
    width: int = knob(32, least=1, harder="less")
    """Units of the hidden layer."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 64) * (2 / 64) ** 0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, 10, self.width) * (2 / self.width) ** 0.5,
            "bias_1": torch.zeros(10),
        }

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        return parameters["weight_1"] @ self._hidden(parameters, images) + parameters["bias_1"][:, None]

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_share([self._hidden(parameters, constants["images"][:EVALUATED])])}

    def _hidden(self, parameters: Tensors, images: Tensor) -> Tensor:
        return (parameters["weight_0"] @ images.T + parameters["bias_0"][:, None]).relu()


@dataclass(frozen=True)
class DigitsMlpBn(DigitsTask):
    """f = mean cross-entropy of a 64-32-32-10 network with batch normalization and ReLU, on minibatches of 64.

    Source: the batch-normalized perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860).
    Shapes: weights (32, 64), (32, 32), (10, 32); gain and shift (32,) after each of the first two; bias (10,); a batch
    is 64 indices of training images, drawn with replacement. Weights start as He et al. 2015 (arXiv 1502.01852).
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Evaluated images are normalized by their own statistics, and so are those of the metrics, which are held out.
    Exposes weight decay: normalized weights have no scale of their own, so that decay sets the effective learning rate,
    and gains should not decay with them.
    """

    name: ClassVar[str] = "digits_mlp_bn"
    version: ClassVar[int] = 4
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "batch_norm"})
    source: ClassVar[str] = "learned_optimization (Metz et al. 2022, arXiv 2203.11860), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({**_GUESSING, "dead_units": (0.0, 0.5)})

    batch_size: int = knob(64, least=2)
    width: int = knob(32, least=1, harder="less")
    """Units of both hidden layers."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return _normalized_start(streams, self.width)

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        return self._layers(parameters, images, len(images))[-1]

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images = torch.cat([constants["images"][:EVALUATED], constants["images"][TRAINING_SAMPLES:]])
        logits = self._layers(parameters, images, EVALUATED)[-1]
        return classification_metrics(logits[:, EVALUATED:].T, constants["labels"][TRAINING_SAMPLES:])

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        images = constants["images"][:EVALUATED]
        return {"dead_units": dead_share(self._layers(parameters, images, EVALUATED)[:-1])}

    def _layers(self, parameters: Tensors, images: Tensor, normalizing: int) -> list[Tensor]:
        """Hidden layers (width, n) and logits (10, n); the first `normalizing` images give the statistics of a unit."""
        layers = [images.T]
        for layer in "01":
            sums = parameters[f"weight_{layer}"] @ layers[-1]
            centred = sums - sums[:, :normalizing].mean(1, keepdim=True)
            variance = centred[:, :normalizing].square().mean(1, keepdim=True)
            scale = parameters[f"gain_{layer}"][:, None] * (variance + NORMALIZATION_EPS).rsqrt()
            layers.append((centred * scale + parameters[f"shift_{layer}"][:, None]).relu())
        return [*layers[1:], parameters["weight_2"] @ layers[-1] + parameters["bias_2"][:, None]]


@dataclass(frozen=True)
class DigitsMlpLn(DigitsTask):
    """f = mean cross-entropy of a 64-32-32-10 network with layer normalization and ReLU, on minibatches of 64.

    Source: the layer-normalized perceptrons of learned_optimization (Metz et al. 2022, arXiv 2203.11860); Ba et al.
    2016 (arXiv 1607.06450).
    Shapes: weights (32, 64), (32, 32), (10, 32); gain and shift (32,) after each of the first two; bias (10,); a batch
    is 64 indices of training images, drawn with replacement. Weights start as He et al. 2015 (arXiv 1502.01852).
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Exposes the same as batch normalization, weights without a scale of their own, but here no image depends on the
    others of its batch.
    """

    name: ClassVar[str] = "digits_mlp_ln"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "learned_optimization (Metz et al. 2022, arXiv 2203.11860), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({**_GUESSING, "dead_units": (0.0, 0.5)})

    batch_size: int = knob(64, least=2)
    width: int = knob(32, least=2)
    """Units of both hidden layers."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return _normalized_start(streams, self.width)

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        return self._layers(parameters, images)[-1]

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_share(self._layers(parameters, constants["images"][:EVALUATED])[:-1])}

    def _layers(self, parameters: Tensors, images: Tensor) -> list[Tensor]:
        """Hidden layers (width, n) and logits (10, n)."""
        layers = [images.T]
        for layer in "01":
            sums = parameters[f"weight_{layer}"] @ layers[-1]
            centred = sums - sums.mean(0)
            normalized = centred * (centred.square().mean(0) + NORMALIZATION_EPS).rsqrt()
            gain, shift = parameters[f"gain_{layer}"][:, None], parameters[f"shift_{layer}"][:, None]
            layers.append((normalized * gain + shift).relu())
        return [*layers[1:], parameters["weight_2"] @ layers[-1] + parameters["bias_2"][:, None]]


@dataclass(frozen=True)
class DigitsDeep20Tanh(DigitsTask):
    """f = mean cross-entropy of a network of 20 layers, 64-16-...-16-10, with tanh and no normalization.

    Source: deep plain networks as in Glorot and Bengio 2010 (AISTATS); orthogonal initialization of Saxe et al. 2014
    (arXiv 1312.6120), by which depth need not slow them down (Pennington et al. 2017, arXiv 1711.04735).
    Shapes: weights (16, 64), (18, 16, 16), (10, 16); biases (19, 16), (10,) at 0; the 18 square layers lie in one
    tensor, and each starts orthogonal, so that signals neither die out nor explode at once; the first and the last
    start as N(0, 1/fan-in). A batch is 32 indices of training images, drawn with replacement.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Exposes gradients that shrink or grow from layer to layer: a step that is right for one is wrong for another.
    Evaluated are 96 images, since each goes through twenty layers.
    """

    name: ClassVar[str] = "digits_deep20_tanh"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification"})
    source: ClassVar[str] = "Glorot and Bengio 2010; Saxe et al. 2014 (arXiv 1312.6120), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    evaluated: ClassVar[int] = 96

    batch_size: int = knob(32, least=2)
    width: int = knob(16, least=1)
    """Units of every hidden layer."""
    layers: int = knob(20, least=3)

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "first": normal(streams.init, self.width, 64) * 64**-0.5,
            "square": torch.stack([rotation(streams.init, self.width) for _ in range(self.layers - 2)]),
            "bias": torch.zeros(self.layers - 1, self.width),
            "last": normal(streams.init, 10, self.width) * self.width**-0.5,
            "last_bias": torch.zeros(10),
        }

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        bias, *biases = parameters["bias"][:, :, None].unbind()
        hidden = (parameters["first"] @ images.T + bias).tanh()
        for weight, bias in zip(parameters["square"].unbind(), biases, strict=True):
            hidden = (weight @ hidden + bias).tanh()
        return parameters["last"] @ hidden + parameters["last_bias"][:, None]


def dead_share(layers: Sequence[Tensor]) -> Tensor:
    """The share of ReLU units that are zero on all samples, of layers (units, samples)."""
    return torch.cat([layer.amax(1) <= 0 for layer in layers]).to(layers[0].dtype).mean()


def _normalized_start(streams: Streams, width: int) -> Tensors:
    """The start of a 64-width-width-10 network with a gain and a shift after each hidden layer."""
    return {
        "weight_0": normal(streams.init, width, 64) * (2 / 64) ** 0.5,
        "gain_0": torch.ones(width),
        "shift_0": torch.zeros(width),
        "weight_1": normal(streams.init, width, width) * (2 / width) ** 0.5,
        "gain_1": torch.ones(width),
        "shift_1": torch.zeros(width),
        "weight_2": normal(streams.init, 10, width) * (2 / width) ** 0.5,
        "bias_2": torch.zeros(10),
    }
