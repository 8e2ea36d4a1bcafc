"""Precision: problems whose parameters are stored in fewer bits than the gradient is computed with."""

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
class Bf16Quadratic20(ExactTask):
    """f(x) = ½ Σ λᵢ (x - m)ᵢ², λ log-spaced from 1/√c to √c, condition c = 1e4, where x is kept in bfloat16.

    Source: BBOB f2 (Hansen et al. 2009); parameters in bfloat16 after Kalamkar et al. 2019, arXiv 1905.12322.
    Shapes: x (20,) in bfloat16, as the optimizer gets it and writes to it; the start is N(0, 0.1²), rounded to
    bfloat16, and m is drawn from N(0, 1) per seed. f is computed in float32.
    Optimum: f* = 0 at m, which is not on the grid of bfloat16: rounded to it, coordinate by coordinate, m has the least
    value that x can get to, 4e-4 in the median and 30 times below the hardest level. It is not the origin, where plain
    weight decay would find it without a gradient.

    Exposes updates that are rounded away: near 1, bfloat16 numbers are 1/128 apart, and whatever adds less than half of
    that to a parameter, or to an average kept in the same type, adds nothing.
    """

    name: ClassVar[str] = "bf16_quadratic20"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "ill_conditioned", "low_precision"})
    source: ClassVar[str] = "BBOB f2 (Hansen et al. 2009), parameters in bfloat16"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 600
    dtype: ClassVar[torch.dtype | None] = torch.bfloat16

    dimension: int = knob(20, least=2)
    condition: float = knob(1e4, least=1)
    """Ratio of the largest to the smallest curvature."""
    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around the origin."""

    def shared(self) -> Tensors:
        exponents = torch.linspace(-0.5, 0.5, self.dimension, dtype=torch.float64)
        return {"curvatures": (self.condition**exponents).to(torch.float32)}

    def private(self, streams: Streams) -> Tensors:
        return {"centre": normal(streams.data, self.dimension)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        # Rounded here already, so that the value of the start does not depend on who casts it.
        return {"x": (self.jitter * normal(streams.init, self.dimension)).to(torch.bfloat16).to(torch.float32)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        distance = parameters["x"].to(constants["centre"].dtype) - constants["centre"]
        return 0.5 * (constants["curvatures"] * distance.square()).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["centre"].clone()}
