"""Plateaus: starts where the gradient has all but vanished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class PlateauGauss(ExactTask):
    """f(x) = 1 - exp(-½ ‖x - m‖²), a well in a plateau, m at distance √18 in a random direction per seed.

    Source: the Gaussian bowl of Schaul et al. 2013, arXiv 1312.6055, entered from (3, 3) away.
    Shapes: x (2,); the start is N(0, 0.1²) in both coordinates.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes steps that shrink with the gradient: at the start it is 5e-4, a thousandth of what it is inside the well.
    """

    name: ClassVar[str] = "plateau_gauss"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "plateau"})
    source: ClassVar[str] = "Gaussian bowl of Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600

    distance: float = knob(18**0.5, above=0, harder="more")
    """Of the well from the origin, in units of the well's width."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def private(self, streams: Streams) -> Tensors:
        direction = normal(streams.data, 2)
        return {"centre": self.distance * direction / direction.norm()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": self.jitter * normal(streams.init, 2)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        # Near the centre, 1 - exp would lose the digits that expm1 keeps.
        return -torch.expm1(-0.5 * (parameters["x"] - constants["centre"]).square().sum())

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}
