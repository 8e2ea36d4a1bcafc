"""Noise: exact objectives whose gradient reaches the optimizer distorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


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
