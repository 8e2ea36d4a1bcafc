"""Densities: models of where the points of a plane are, a normalizing flow and a diffusion model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import silu

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

MODES = 5
RADIUS = 2.0
WIDTH = 0.5
"""Standard deviation of a mode; their centres are evenly spaced on a circle of this radius."""
SPREAD = (RADIUS**2 / 2 + WIDTH**2) ** 0.5
"""Standard deviation of the mixture in every direction."""
HELD_OUT = 80
"""Points of every mode that are evaluated, always the same ones."""
SHOWN = 64
SAMPLING_STEPS = 20


@dataclass(frozen=True)
class RealnvpGmm2d(Task):
    """f = E[-log q(x)] - H, q a flow of 6 affine couplings, p a mixture of 5 Gaussians on a circle, H its entropy.

    Source: RealNVP, Dinh et al. 2016 (arXiv 1605.08803); after the flows of TaskSet (Metz et al. 2020, arXiv
    2002.11887).
    Shapes: per coupling a tanh network 1-16-2, stacked: (6, 16), (6, 16), (6, 2, 16), (6, 2); it maps one coordinate to
    a shift and a log scale (bounded by tanh) of the other, in turn. A batch is 128 points (2, 128). The modes have
    standard deviation 0.5, on a circle of radius 2 around a point at distance 3 per seed, turned by an angle per seed.
    The start is close to the identity.
    Optimum: f* = 0 by Gibbs' inequality, where q = p. H = 3.0097 nats whatever the angle (a test has the quadrature).

    The evaluation is the mean of log p - log q over 400 frozen points that fill every mode evenly: the divergence
    itself, with hardly any noise. Exposes a long product of scales, and modes that have to be torn apart.
    """

    name: ClassVar[str] = "realnvp_gmm2d"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "generative"})
    source: ClassVar[str] = "Dinh et al. 2016 (arXiv 1605.08803), TaskSet (Metz et al. 2020)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    layers: int = knob(6, least=2)
    width: int = knob(16, least=1)
    """Hidden units of a coupling."""
    batch_size: int = knob(128, least=1)

    def shared(self) -> Tensors:
        return _frozen(self.name, self.version)

    def private(self, streams: Streams) -> Tensors:
        direction = 2 * math.pi * uniform(streams.data, 1)
        return {"centres": _turned_circle(streams) + 3 * torch.stack([direction.cos(), direction.sin()])}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.layers, self.width),
            "bias_0": normal(streams.init, self.layers, self.width),
            "weight_1": 0.1 * normal(streams.init, self.layers, 2, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(self.layers, 2),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"points": _points(streams, steps, self.batch_size, constants["centres"])}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return -self._log_density(parameters, batch["points"]).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        points = _held_out(constants)
        return (log_mixture(constants["centres"], points) - self._log_density(parameters, points)).mean()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _sample_metrics(self._samples(parameters, constants["shown"]), constants["centres"])

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Samples of the model, always from the same draws."""
        return {"samples": self._samples(parameters, constants["shown"])}

    def _log_density(self, parameters: Tensors, points: Tensor) -> Tensor:
        """log q (n,) of `points` (2, n)."""
        kept, moved = points.unbind()
        logarithm = torch.full_like(kept, -math.log(2 * math.pi))
        for layer in range(self.layers):
            shift, log_scale = self._coupling(parameters, layer, kept)
            kept, moved = moved * log_scale.exp() + shift, kept
            logarithm = logarithm + log_scale
        return logarithm - 0.5 * (kept.square() + moved.square())

    def _samples(self, parameters: Tensors, latents: Tensor) -> Tensor:
        """The points (2, n) that the flow maps to `latents` (2, n)."""
        kept, moved = latents.unbind()
        for layer in reversed(range(self.layers)):
            shift, log_scale = self._coupling(parameters, layer, moved)
            kept, moved = moved, (kept - shift) * (-log_scale).exp()
        return torch.stack([kept, moved])

    def _coupling(self, parameters: Tensors, layer: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and log scale, each (n,), that follow from the coordinate `kept` (n,)."""
        hidden = (parameters["weight_0"][layer][:, None] * kept + parameters["bias_0"][layer][:, None]).tanh()
        shift, log_scale = parameters["weight_1"][layer] @ hidden + parameters["bias_1"][layer][:, None]
        return shift, log_scale.tanh()


@dataclass(frozen=True)
class DdpmGmm2d(Task):
    """f = E ‖e(x_t, t) - E[ε | x_t]‖², x_t = cos(πt/2) x + sin(πt/2) ε, x from a mixture of 5 Gaussians on a circle.

    Source: denoising diffusion, Ho et al. 2020 (arXiv 2006.11239), with the cosine schedule of Nichol and Dhariwal 2021
    (arXiv 2102.09672) in continuous time.
    Shapes: e is a SiLU network 6-32-32-2 of x_t, the two factors and their double-angle values; weights start as
    N(0, 1/fan-in), biases at 0; a batch is 256 points (2, 256), as many times t uniform in [0.01, 0.99], and the noise
    ε (2, 256). The mixture is turned by an angle per seed and scaled to variance 1.
    Optimum: unknown: 0 is the bound, of a network that is the true score. The loss E ‖e - ε‖² has that less: what is
    left at f = 0 is irreducible, and follows from the mixture's score, which is known at every t.

    The evaluation compares with that score on 400 frozen points and times, free of the noise that the loss is full of.
    The samples take 20 steps from noise to data without noise of their own (Song et al. 2020, arXiv 2010.02502).
    Exposes a loss whose noise dwarfs what there is left to learn.
    """

    name: ClassVar[str] = "ddpm_gmm2d"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "generative"})
    source: ClassVar[str] = "Ho et al. 2020 (arXiv 2006.11239), Nichol and Dhariwal 2021 (arXiv 2102.09672)"
    horizon: ClassVar[int] = 300

    width: int = knob(32, least=1)
    """Units of both hidden layers."""
    batch_size: int = knob(256, least=1)

    def shared(self) -> Tensors:
        frozen = _frozen(self.name, self.version)
        count = MODES * HELD_OUT
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "times"))
        times = (torch.randperm(count, generator=generator) + 0.5) / count
        return {**frozen, "times": 0.01 + 0.98 * times, "held_out_noise": normal(generator, 2, count)}

    def private(self, streams: Streams) -> Tensors:
        return {"centres": _turned_circle(streams)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 6) * 6**-0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, self.width, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(self.width),
            "weight_2": normal(streams.init, 2, self.width) * self.width**-0.5,
            "bias_2": torch.zeros(2),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "points": _points(streams, steps, self.batch_size, constants["centres"]) / SPREAD,
            "times": 0.01 + 0.98 * uniform(streams.data, steps, self.batch_size),
            "noise": normal(streams.noise, steps, 2, self.batch_size),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        signal, noise = _schedule(batch["times"])
        mixed = signal * batch["points"] + noise * batch["noise"]
        return (_denoiser(parameters, mixed, signal, noise) - batch["noise"]).square().sum(0).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        signal, noise = _schedule(constants["times"])
        mixed = signal * _held_out(constants) / SPREAD + noise * constants["held_out_noise"]
        truth = expected_noise(constants["centres"] / SPREAD, mixed, signal, noise)
        return (_denoiser(parameters, mixed, signal, noise) - truth).square().sum(0).mean()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return _sample_metrics(SPREAD * self._samples(parameters, constants["shown"]), constants["centres"])

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Samples of the model, always from the same draws."""
        return {"samples": self._samples(parameters, constants["shown"])}

    def _samples(self, parameters: Tensors, latents: Tensor) -> Tensor:
        points = latents
        times = torch.linspace(0.99, 0.01, SAMPLING_STEPS + 1, dtype=latents.dtype, device=latents.device)
        for now, then in pairwise(times.unbind()):
            signal, noise = _schedule(now)
            found = _denoiser(parameters, points, signal, noise)
            later_signal, later_noise = _schedule(then)
            points = later_signal * (points - noise * found) / signal + later_noise * found
        return points


def log_mixture(centres: Tensor, points: Tensor, width: Tensor | float = WIDTH) -> Tensor:
    """log p (n,) of `points` (2, n), for equal Gaussians of this standard deviation around `centres` (2, modes)."""
    distances = (points[:, None] - centres[..., None]).square().sum(0)
    width = torch.as_tensor(width, dtype=points.dtype, device=points.device)
    return (-0.5 * distances / width**2).logsumexp(0) - math.log(2 * math.pi * MODES) - 2 * width.log()


def expected_noise(centres: Tensor, mixed: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """E[ε | x_t] (2, n) at `mixed` (2, n), by Tweedie's formula: -noise times the score of the mixture at that time."""
    variance = (signal * WIDTH / SPREAD).square() + noise.square()
    offsets = mixed[:, None] - signal * centres[..., None].expand(-1, -1, mixed.shape[1])
    weights = (-0.5 * offsets.square().sum(0) / variance).softmax(0)
    expected: Tensor = noise * (weights * offsets).sum(1) / variance
    return expected


def _denoiser(parameters: Tensors, mixed: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """The noise (2, n) that the network sees in `mixed` (2, n)."""
    times = torch.stack([signal, noise, signal.square() - noise.square(), 2 * signal * noise])
    hidden = torch.cat([mixed, times.view(4, -1).expand(4, mixed.shape[1])])
    for layer in "01":
        hidden = silu(parameters[f"weight_{layer}"] @ hidden + parameters[f"bias_{layer}"][:, None])
    return parameters["weight_2"] @ hidden + parameters["bias_2"][:, None]


def _schedule(times: Tensor) -> tuple[Tensor, Tensor]:
    angle = 0.5 * math.pi * times
    return angle.cos(), angle.sin()


def _turned_circle(streams: Streams) -> Tensor:
    """The centres (2, modes), turned by an angle of this seed."""
    angles = 2 * math.pi * (torch.arange(MODES) + uniform(streams.data, 1)) / MODES
    return RADIUS * torch.stack([angles.cos(), angles.sin()])


def _points(streams: Streams, steps: int, count: int, centres: Tensor) -> Tensor:
    """Points (steps, 2, count) of the mixture."""
    modes = torch.randint(MODES, (steps, count), generator=streams.data)
    return centres[:, modes].transpose(0, 1) + WIDTH * normal(streams.data, steps, 2, count)


def _held_out(constants: Tensors) -> Tensor:
    """The frozen points (2, modes * held out): the same ones around every centre."""
    return (constants["centres"][..., None] + WIDTH * constants["spots"][:, None]).flatten(1)


def _frozen(name: str, version: int) -> Tensors:
    generator = torch.Generator().manual_seed(derived_seed(name, version, "shown"))
    return {"spots": torch.tensor(_spots(), dtype=torch.float32), "shown": normal(generator, 2, SHOWN)}


@cache
def _spots() -> list[list[float]]:
    """Points (2, held out) that fill a standard normal distribution evenly: golden-ratio spiral, by quantiles."""
    ranks = (torch.arange(HELD_OUT, dtype=torch.float64) + 0.5) / HELD_OUT
    radii = (-2 * torch.log1p(-ranks)).sqrt()
    angles = math.pi * (3 - math.sqrt(5)) * torch.arange(HELD_OUT, dtype=torch.float64)
    return [(radii * angles.cos()).tolist(), (radii * angles.sin()).tolist()]


def _sample_metrics(samples: Tensor, centres: Tensor) -> Tensors:
    """How likely `samples` (2, n) are, and the share of modes that any of them is within two widths of."""
    distances = (samples[:, None] - centres[..., None]).square().sum(0)
    return {
        "sample_log_density": log_mixture(centres, samples).mean(),
        "covered_modes": (distances < (2 * WIDTH) ** 2).any(1).to(samples.dtype).mean(),
    }
