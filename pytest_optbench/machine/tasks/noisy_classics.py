"""Noisy classics: well-known test functions, judged without the noise that their gradients are seen through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, rotation, uniform
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.machine.tasks.valleys import Beale, Rosenbrock2


@dataclass(frozen=True)
class NoisyQuadratic100(Task):
    """f(x) = ½ (x - m)ᵀ Q (x - m), of which each step sees ½ (x - m - z)ᵀ Q (x - m - z) with z ~ N(0, 0.6² / 128).

    Source: `quadratic_deep` of DeepOBS (Schneider et al. 2019, arXiv 1903.05499): 90 eigenvalues in [0, 1], 10 in
    [30, 60], noise of 0.6 and batches of 128, whose mean z is.
    Shapes: x (100,), Q (100, 100) with another rotation and other eigenvalues per seed, z (100,) for each step; the
    start is N(0, 0.1²), m is drawn from N(0, 1) per seed.
    Optimum: the loss of DeepOBS has the irreducible expectation ½ · 0.6² · tr Q; the evaluation is the expected loss
    less that, the exact f, which is 0 at m. It is not the origin, where plain weight decay would find it without a
    gradient.

    Exposes step sizes that are kept: the gradient noise has the covariance 0.6² / 128 Q², and plain descent at a
    learning rate η stays, in expectation, at Σ ½ η λ² (0.6² / 128) / (2 - η λ), which at η = 0.01 is 0.4.
    """

    name: ClassVar[str] = "noisy_quadratic100"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "ill_conditioned", "rotated"})
    source: ClassVar[str] = "DeepOBS quadratic_deep (Schneider et al. 2019, arXiv 1903.05499)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    dimension: int = knob(100, least=10)
    noise: float = knob(0.6, least=0)
    """Standard deviation of the minimum of one sample, in every coordinate."""
    batch: int = knob(128, least=1)
    """Samples that a step takes the mean of."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        steep = self.dimension // 10
        shares = uniform(streams.data, self.dimension)
        eigenvalues = torch.cat([30 + 30 * shares[:steep], shares[steep:]])
        basis = rotation(streams.data, self.dimension)
        return {"Q": basis.T @ (eigenvalues[:, None] * basis), "centre": normal(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, self.dimension)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise / math.sqrt(self.batch) * normal(streams.noise, steps, self.dimension)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return _quadratic(parameters["x"] - constants["centre"] - batch["noise"], constants["Q"])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return _quadratic(parameters["x"] - constants["centre"], constants["Q"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}


def _quadratic(x: Tensor, curvature: Tensor) -> Tensor:
    return 0.5 * (x * (curvature @ x)).sum()


@dataclass(frozen=True)
class Shaken(ExactTask):
    """Base class of exact tasks in x (2,) whose gradient is seen with additive Gaussian noise."""

    noise: float = knob(1.0, least=0)
    """Standard deviation of the gradient noise."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise * normal(streams.noise, steps, 2)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants) + (batch["noise"] * parameters["x"]).sum()


@dataclass(frozen=True)
class NoisyRosenbrock2(Shaken, Rosenbrock2):
    """f(x, y) = (1 - x)² + 100 (y - x²)², its gradient plus N(0, 1) in both coordinates at every step.

    Source: `two_d_rosenbrock` of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), which adds the same noise times x.
    Shapes: x (2,), which holds both coordinates, and noise (2,) for each step; the start is (-1.2, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (1, 1), which is judged without the noise.

    Exposes averaging too little: along the floor of the valley the noise is larger than the slope.
    """

    name: ClassVar[str] = "noisy_rosenbrock2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "ill_conditioned"})
    source: ClassVar[str] = "DeepOBS two_d_rosenbrock (Schneider et al. 2019, arXiv 1903.05499)"
    horizon: ClassVar[int] = 1000


@dataclass(frozen=True)
class NoisyBeale2(Shaken, Beale):
    """f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)², its gradient plus N(0, 1) at every step.

    Source: `two_d_beale` of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), which adds the same noise times x.
    Shapes: x (2,), which holds both coordinates, and noise (2,) for each step; the start is (1, 1) + N(0, 0.1²).
    Optimum: f* = 0 at (3, 0.5), which is judged without the noise.

    Exposes averaging too little: in the long valley the noise is larger than the slope.
    """

    name: ClassVar[str] = "noisy_beale2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "ill_conditioned"})
    source: ClassVar[str] = "DeepOBS two_d_beale (Schneider et al. 2019, arXiv 1903.05499)"
    horizon: ClassVar[int] = 700


@dataclass(frozen=True)
class NoisyBranin2(Shaken):
    """f(x, y) = (y - 5.1 x² / (4π²) + 5 x / π - 6)² + 10 (1 - 1 / (8π)) cos x + 10, its gradient plus N(0, 1).

    Source: `two_d_branin` of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), which adds the same noise times x; the
    function is Branin's of 1972.
    Shapes: x (2,), which holds both coordinates, and noise (2,) for each step; the start is (2.5, 12.5) + N(0, 0.1²).
    Optimum: the least value 10 / (8π) is taken off, so that it is 0, at (-π, 12.275), (π, 2.275) and (3π, 2.475): there
    cos x = -1 and the square vanishes. It is judged without the noise.

    Exposes averaging too little, in a landscape whose minima are all the same: it does not matter which one is found.
    """

    name: ClassVar[str] = "noisy_branin2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = "DeepOBS two_d_branin (Schneider et al. 2019, arXiv 1903.05499)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 700

    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around (2.5, 12.5)."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": torch.tensor([2.5, 12.5], dtype=torch.float32) + self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        x, y = parameters["x"].unbind()
        bend = y - 5.1 / (4 * math.pi**2) * x.square() + 5 / math.pi * x - 6
        return bend.square() + 10 * (1 - 1 / (8 * math.pi)) * (torch.cos(x) + 1)

    def solution(self, constants: Tensors, step: int) -> Tensors:
        x = math.pi
        return {"x": torch.tensor([x, 5.1 / (4 * math.pi**2) * x**2 - 5 / math.pi * x + 6], dtype=torch.float32)}
