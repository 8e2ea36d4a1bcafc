"""Games: two players, each of whom descends a loss of its own, both at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad_and_value

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import apart, normal, rotation
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors


class Game(Task):
    """Base class of zero-sum games: `minimizer` descends the loss while every other parameter ascends it."""

    minimizer: ClassVar[str]
    """The name of the parameter whose player wants the loss to be small."""

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        slopes, value = grad_and_value(self.loss)(parameters, constants, batch)
        return value, {name: slope if name == self.minimizer else -slope for name, slope in slopes.items()}

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        value = self.loss(parameters, constants, batch)
        return value if name == self.minimizer else -value


@dataclass(frozen=True)
class BilinearGame(Game):
    """f(x, y) = ½ μ ‖u‖² + uᵀ R v - ½ μ ‖v‖² with u = x - a, v = y - b and μ = 1: x descends f, y ascends it.

    Source: the bilinear game of Daskalakis et al. 2018, arXiv 1711.00141, with the strong convexity that Gidel et al.
    2019, arXiv 1802.10551, and others add to it; curl of Schaul et al. 2013, arXiv 1312.6055.
    Shapes: x (5,), y (5,), a rotation R (5, 5) per seed; both start at N(0, 0.1²), and the entries of a and b (5,) are
    ±U(0.5, 1.5) with random signs per seed.
    Optimum: the evaluation is ½ (‖u‖² + ‖v‖²), half the squared distance to the saddle (a, b), and 0 only there. It is
    not the origin, where plain weight decay would find it without a gradient.

    Exposes rotation: around the saddle, the directions of both players turn in circles, and momentum of the usual sign
    drives them outwards. AdamW gets to a hundredth of the start at lr 0.03, and farther at smaller ones alone; at
    μ = 0.3 it gets no farther than to a tenth. With μ = 0 this is the purely bilinear game, which takes averaging or
    extragradients: every step of plain descent leads away from its saddle.
    """

    name: ClassVar[str] = "bilinear_game"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "rotated", "game"})
    source: ClassVar[str] = "Daskalakis et al. 2018 (arXiv 1711.00141), with strong convexity"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600
    minimizer: ClassVar[str] = "x"

    dimension: int = knob(5, least=1)
    """Of each player."""
    curvature: float = knob(1.0, least=0, harder="less")
    """The strong convexity μ of each player's loss."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        return {
            "coupling": rotation(streams.data, self.dimension),
            "centre_x": apart(streams.data, 0.5, 1.5, self.dimension),
            "centre_y": apart(streams.data, 0.5, 1.5, self.dimension),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {name: self.jitter * normal(streams.init, self.dimension) for name in ("x", "y")}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        u, v = self._distances(parameters, constants)
        return 0.5 * self.curvature * (u.square() - v.square()).sum() + (u * (constants["coupling"] @ v)).sum()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        u, v = self._distances(parameters, constants)
        return 0.5 * (u.square() + v.square()).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {name: constants[f"centre_{name}"].clone() for name in ("x", "y")}

    def _distances(self, parameters: Tensors, constants: Tensors) -> tuple[Tensor, Tensor]:
        return parameters["x"] - constants["centre_x"], parameters["y"] - constants["centre_y"]


@dataclass(frozen=True)
class DiracGan(Game):
    """f(θ, ψ) = h(ψ·θ) + h(-ψ·c) - ½ γ ‖ψ‖² with h(t) = -ln(1 + e⁻ᵗ) and γ = 1: θ descends f, ψ ascends it.

    Source: the Dirac-GAN of Mescheder et al. 2018, arXiv 1801.04406, with its R1 regularizer.
    Shapes: generator θ (2,), the point that it makes; discriminator ψ (2,), which scores x by ψ·x; the data c (2,),
    also a single point, at a distance of 1 to 2 in a random direction per seed. θ starts at N(0, 0.1²), ψ at N(0, 1).
    Optimum: the evaluation is ½ (‖θ - c‖² + ‖ψ‖²), half the squared distance to the equilibrium, and 0 only there: the
    slopes -h'(ψ·c) c + h'(ψ·θ) θ - γ ψ and h'(ψ·θ) ψ vanish together at θ = c, ψ = 0. Weight decay finds ψ = 0, but
    takes θ away from c.

    Exposes rotation, as `bilinear_game` does, where only one of two players is damped. At γ = 0.7, AdamW got to a
    hundredth of the start on 15 of 16 seeds, at γ = 0.3 on 7.
    """

    name: ClassVar[str] = "dirac_gan"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "game"})
    source: ClassVar[str] = "Dirac-GAN of Mescheder et al. 2018 (arXiv 1801.04406), with R1"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600
    minimizer: ClassVar[str] = "generator"

    dimension: int = knob(2, least=1)
    """Of the data."""
    regularization: float = knob(1.0, least=0)
    """The weight of R1; without it, no plain optimizer ever gets to the equilibrium."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the generator's start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        direction = normal(streams.data, self.dimension)
        distance = 1 + torch.rand((), generator=streams.data, dtype=torch.float32)
        return {"data": distance * direction / direction.norm()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "generator": self.jitter * normal(streams.init, self.dimension),
            "discriminator": normal(streams.init, self.dimension),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        discriminator = parameters["discriminator"]
        fake = (discriminator * parameters["generator"]).sum()
        real = (discriminator * constants["data"]).sum()
        # Not softplus, whose bits depend on where in a tensor an entry lies.
        scores = -torch.log1p(torch.exp(-fake)) - torch.log1p(torch.exp(real))
        return scores - 0.5 * self.regularization * discriminator.square().sum()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        away = parameters["generator"] - constants["data"]
        return 0.5 * (away.square().sum() + parameters["discriminator"].square().sum())

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"generator": constants["data"].clone(), "discriminator": torch.zeros(self.dimension)}
