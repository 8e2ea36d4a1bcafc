"""Adversarial training: two players descend losses that oppose each other, both at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad
from torch.nn.functional import softplus

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

GENERATOR = ("mean", "log_scale")
SHOWN = 32
PENALTY = 1.0
"""Weight of the squared slope of the discriminator on data (R1 of Mescheder et al. 2018, arXiv 1801.04406)."""


@dataclass(frozen=True)
class GaussGan(Task):
    """f(m, s) = (m - m*)² + (eˢ - e^s*)², the squared Wasserstein distance of a generator N(m, e²ˢ) from the data.

    Source: generative adversarial networks, Goodfellow et al. 2014 (arXiv 1406.2661); stands for the DCGAN of DeepOBS.
    Shapes: the generator's m (1,) and s (1,); the discriminator's logit D(x) = w·(x, x²/2) + b, with w (2,) and b (1,);
    a batch is 128 data points N(m*, e²ˢ*) and 128 standard normal noise numbers, which the generator scales and shifts.
    Per seed m* is ±[1, 2] and s* is in ±[0.3, 0.7], both uniform. The generator starts N(0, 0.1²) around m = s = 0, the
    discriminator likewise.
    Optimum: f* = 0 where the generator has the data's moments. There D = 0 is the discriminator's best answer: its
    family holds the log ratio of any two Gaussians, and its value is -2 log 2.

    The discriminator descends softplus(-D(data)) + softplus(D(generated)), the generator softplus(-D(generated)), both
    from the same batch (simultaneous play, non-saturating). Exposes rotation: each player's descent is the other's
    moving target, and momentum feeds it.
    """

    name: ClassVar[str] = "gauss_gan"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "game", "generative"})
    source: ClassVar[str] = "Goodfellow et al. 2014 (arXiv 1406.2661)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 800

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
        generator, discriminator = grad(_generator_loss)(parameters, batch), grad(_discriminator_loss)(parameters, batch)
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
