"""Variational autoencoders: a bound on the likelihood, estimated by sampling the posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.draws import normal, rotation
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

DIMENSION = 10
LATENT = 3
VARIANCES = (4.0, 3.0, 2.0)
"""Of the data along the latent directions."""
NOISE_VARIANCE = 0.25
"""Of the data in every other direction."""
SHOWN = 8


@dataclass(frozen=True)
class PpcaVae(Task):
    """f = -ELBO - H of a linear autoencoder, z ~ q = N(V (x - b) + c, diag eʳ), x ~ p = N(W z + b, eˢ I), z ~ N(0, I).

    Source: probabilistic PCA, Tipping and Bishop 1999 (JRSS B 61), as a variational autoencoder (Kingma and Welling
    2013, arXiv 1312.6114; Lucas et al. 2019, arXiv 1911.02469); stands for the autoencoders of DeepOBS.
    Shapes: V (3, 10), c (3,), r (3,), W (10, 3), b (10,), s (1,); a batch is 128 samples x (128, 10) of N(m, Σ) and
    the standard normal noise (128, 3) of their posteriors. Per seed m is N(0, 0.5² I) and Σ has variances 4, 3, 2 in
    random directions, 0.25 in all others. V and W start as N(0, 1/10), s at -1, the rest at 0.
    Optimum: f* = 0, because the evaluation is less ½ log det(2πe Σ), the entropy of the data: no model codes it in
    less,
    and the model is as rich as the data. W then spans the three directions at right angles, where the true posterior is
    diagonal.

    The loss samples one z per x; the evaluation is the exact expectation over x and z. Exposes a loss that is noisy
    through its own parameters, and a likelihood that stiffens as its variance falls.
    """

    name: ClassVar[str] = "ppca_vae"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "generative"})
    source: ClassVar[str] = "Tipping and Bishop 1999, Kingma and Welling 2013 (arXiv 1312.6114)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600

    batch_size: int = knob(128, least=1)

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "shown"))
        return {"shown": normal(generator, SHOWN, LATENT + DIMENSION)}

    def private(self, streams: Streams) -> Tensors:
        variances = torch.tensor([*VARIANCES, *[NOISE_VARIANCE] * (DIMENSION - LATENT)])
        # Rows of a sample are z root + mean: the root's rows are the directions.
        root = variances.sqrt()[:, None] * rotation(streams.data, DIMENSION)
        return {"root": root, "mean": 0.5 * normal(streams.data, DIMENSION)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "encoder": normal(streams.init, LATENT, DIMENSION) * DIMENSION**-0.5,
            "encoder_bias": torch.zeros(LATENT),
            "log_posterior_variance": torch.zeros(LATENT),
            "decoder": normal(streams.init, DIMENSION, LATENT) * DIMENSION**-0.5,
            "decoder_bias": torch.zeros(DIMENSION),
            "log_variance": -torch.ones(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "samples": normal(streams.data, steps, self.batch_size, DIMENSION) @ constants["root"] + constants["mean"],
            "noise": normal(streams.noise, steps, self.batch_size, LATENT),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        centred = batch["samples"] - parameters["decoder_bias"]
        posterior_means = centred @ parameters["encoder"].T + parameters["encoder_bias"]
        latents = posterior_means + (0.5 * parameters["log_posterior_variance"]).exp() * batch["noise"]
        residuals = centred - latents @ parameters["decoder"].T
        return _negative_bound(parameters, residuals.square().sum(1).mean(), posterior_means.square().sum(1).mean())

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        """The expected loss, less its optimum."""
        encoder, decoder, bias = parameters["encoder"], parameters["decoder"], parameters["encoder_bias"]
        offset = constants["mean"] - parameters["decoder_bias"]
        # E ‖a + M (x - m)‖² = ‖a‖² + ‖M Σ^½‖².
        codes = constants["root"] @ encoder.T
        means = codes.square().sum() + (encoder @ offset + bias).square().sum()
        spread = (constants["root"] - codes @ decoder.T).square().sum()
        shift = (offset - decoder @ (encoder @ offset + bias)).square().sum()
        sampled = (decoder.square().sum(0) * parameters["log_posterior_variance"].exp()).sum()
        return _negative_bound(parameters, spread + shift + sampled, means) - self.entropy

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        decoder, noise = parameters["decoder"], parameters["log_variance"].exp()
        truth = constants["root"].T @ constants["root"]
        error = decoder @ decoder.T + noise * torch.eye(DIMENSION, dtype=noise.dtype, device=noise.device) - truth
        return {
            "covariance_error": error.norm() / truth.norm(),
            "mean_error": (parameters["decoder_bias"] - constants["mean"]).norm(),
            "noise_variance": noise[0],
        }

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Samples of the model, always from the same draws."""
        latents, noise = constants["shown"][:, :LATENT], constants["shown"][:, LATENT:]
        means = latents @ parameters["decoder"].T + parameters["decoder_bias"]
        return {"samples": means + (0.5 * parameters["log_variance"]).exp() * noise}

    def solution(self, constants: Tensors, step: int) -> Tensors:
        latent = constants["root"][:LATENT]
        variances = torch.tensor(VARIANCES)
        # The directions, scaled to what of the variance is not noise; then the posterior of Tipping and Bishop.
        decoder = ((1 - NOISE_VARIANCE / variances).sqrt()[:, None] * latent).T
        encoder = decoder.T / variances[:, None]
        return {
            "encoder": encoder,
            "encoder_bias": torch.zeros(LATENT),
            "log_posterior_variance": (NOISE_VARIANCE / variances).log(),
            "decoder": decoder,
            "decoder_bias": constants["mean"].clone(),
            "log_variance": torch.full((1,), NOISE_VARIANCE).log(),
        }

    @property
    def entropy(self) -> float:
        """Of the data, in nats."""
        logarithms = [math.log(variance) for variance in VARIANCES]
        return 0.5 * (
            DIMENSION * math.log(2 * math.pi * math.e)
            + sum(logarithms)
            + (DIMENSION - LATENT) * math.log(NOISE_VARIANCE)
        )


def _negative_bound(parameters: Tensors, squared_error: Tensor, squared_mean: Tensor) -> Tensor:
    """-ELBO, from the mean squares of reconstruction errors and of posterior means."""
    log_variance, log_posterior = parameters["log_variance"][0], parameters["log_posterior_variance"]
    likelihood = 0.5 * (squared_error * (-log_variance).exp() + DIMENSION * (log_variance + math.log(2 * math.pi)))
    return likelihood + 0.5 * (squared_mean + (log_posterior.exp() - log_posterior - 1).sum())
