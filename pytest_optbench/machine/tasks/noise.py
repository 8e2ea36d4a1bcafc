"""Noise: exact objectives whose gradient reaches the optimizer distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class HeavyTailBowl10(Sphere10):
    """f(x) = ½ ‖x - m‖², with Cauchy noise of scale 0.03 added to every coordinate of its gradient.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_bowl`, noise `cauchy`);
    `gradient_noise_scale_heavy_tailed` of LightBench.
    Shapes: x (10,), noise (10,) for each step; the start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient. The
    evaluation is exact; the noise has neither a mean nor a variance.

    Exposes steps that grow with the gradient, and averages of squares, which one outlier owns: one draw in 50 is larger
    than the gradient at a distance of one. Clipping and signs do not mind. At a scale of 0.1, AdamW got to a hundredth
    of the start on no more than 5 of 16 seeds, whatever its learning rate.
    """

    name: ClassVar[str] = "heavy_tail_bowl10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = "Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055), quad_bowl with Cauchy noise"
    horizon: ClassVar[int] = 800

    noise: float = knob(0.03, least=0)
    """Scale of the Cauchy distribution: half of the draws are smaller."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        # In float64, so that no draw is an exact multiple of a coarse grid far out in the tails.
        shares = torch.rand(steps, self.dimension, generator=streams.noise, dtype=torch.float64)
        return {"noise": (self.noise * torch.tan(torch.pi * (shares - 0.5))).to(torch.float32)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants) + (batch["noise"] * parameters["x"]).sum()


@dataclass(frozen=True)
class MultNoiseBowl10(Sphere10):
    """f(x) = ½ ‖x - m‖², every coordinate of its gradient times exp(z) with z ~ N(0, 1) anew at every step.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_bowl`, noise `gauss_mul` 1).
    Shapes: x (10,), z (10,) for each step; the start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Optimum: f* = 0 at m, where the noise vanishes with the gradient. It is not the origin, where plain weight decay
    would find it without a gradient.

    Exposes estimates of the gradient's size: its mean is e^½ = 1.6 times, its root mean square e = 2.7 times the truth.
    """

    name: ClassVar[str] = "mult_noise_bowl10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = "Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055), quad_bowl with multiplicative noise"
    horizon: ClassVar[int] = 800

    noise: float = knob(1.0, least=0)
    """Standard deviation of the logarithm of the factors."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise * normal(streams.noise, steps, self.dimension)}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return {"x": gradient["x"] * batch["noise"].exp()}, memory


@dataclass(frozen=True)
class MaskoutBowl10(Sphere10):
    """f(x) = ½ ‖x - m‖², every coordinate of its gradient zeroed with probability 0.9 anew at every step.

    Source: Schaul, Antonoglou, Silver 2013, arXiv 1312.6055 (shape `quad_bowl`, noise `maskout` 0.9); `SparseProblem`
    in the code of Wichrowska et al. 2017, arXiv 1703.04813.
    Shapes: x (10,), mask (10,) of zeros and ones for each step; the start is N(0, 0.1²), m is drawn from N(0, 1) per
    seed.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes estimates that zeros dilute: the root mean square of a coordinate's gradient is three times its mean.
    """

    name: ClassVar[str] = "maskout_bowl10"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "sparse"})
    source: ClassVar[str] = "Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055), quad_bowl with mask-out"
    horizon: ClassVar[int] = 800

    masked: float = knob(0.9, least=0)
    """Probability that a coordinate sees no gradient."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        shares = uniform(streams.noise, steps, self.dimension)
        return {"noise": (shares >= self.masked).to(torch.float32)}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return {"x": gradient["x"] * batch["noise"]}, memory


@dataclass(frozen=True)
class OutlierSpikes(Sphere10):
    """f(x) = ½ ‖x - m‖², the gradient of its coordinate i = 1 .. 10 times 32768 with probability i / 11 at every step.

    Source: `quadratic_outliers` of LightBench at its setting `extreme`.
    Shapes: x (10,), factors (10,) for each step; the start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Optimum: f* = 0 at m, where the spikes vanish with the gradient. It is not the origin, where plain weight decay
    would find it without a gradient.

    Exposes the memory of an average of squares: after a spike, what comes before the next one counts for nothing; the
    first coordinate waits 11 steps for one, the last seldom two. Descent without any is limited to steps of 1e-4.
    """

    name: ClassVar[str] = "outlier_spikes"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy"})
    source: ClassVar[str] = "quadratic_outliers of LightBench"
    horizon: ClassVar[int] = 500

    spike: float = knob(2.0**15, least=1)
    """What a spike multiplies the gradient by."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        chances = torch.arange(1, self.dimension + 1) / (self.dimension + 1)
        spikes = uniform(streams.noise, steps, self.dimension) < chances
        return {"noise": torch.where(spikes, self.spike, 1.0).to(torch.float32)}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return {"x": gradient["x"] * batch["noise"]}, memory
