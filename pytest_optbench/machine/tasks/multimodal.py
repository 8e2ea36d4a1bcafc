"""Multimodal functions: a regular grid of local minima around the global one. They are reported, and never gate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.tasks.landscape import ShiftedLandscape


@dataclass(frozen=True)
class Ackley2(ShiftedLandscape):
    """f(x) = 20 + e - 20 exp(-0.2 √(½ ‖x‖²)) - exp(½ Σ cos 2π xᵢ) at x = z - s, shift s per seed.

    Source: Ackley 1987; TaskSet (Metz et al. 2020, arXiv 2002.11887).
    Shapes: z (2,); s is drawn from N(0, 1), the start is s + (0.35, -0.25) + N(0, 0.1²).
    Optimum: f* = 0 at s, where both exponentials are at their largest. The nearest of the other minima, of 2.58, are
    one unit away: none of 64 runs of AdamW at lr 0.1 came to the global one from (1.5, -2.2), and 16 at lr 0.3.

    Exposes steps that do not shrink: the minimum is a cusp, the gradient is as large near it as far away, and wide
    steps leave its basin.
    """

    name: ClassVar[str] = "ackley2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal", "nonsmooth"})
    source: ClassVar[str] = "Ackley 1987, TaskSet (Metz et al. 2020, arXiv 2002.11887)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150
    gates: ClassVar[bool] = False

    start: ClassVar[tuple[float, ...]] = (0.35, -0.25)
    minimum: ClassVar[tuple[float, ...]] = (0.0, 0.0)

    def height(self, z: Tensor) -> Tensor:
        # The norm, not a root of the sum of squares: it has a gradient at the cusp, zero.
        cone = 20 * torch.expm1(-0.2 * math.sqrt(0.5) * torch.linalg.vector_norm(z))
        return math.e - cone - (0.5 * (2 * math.pi * z).cos().sum()).exp()


@dataclass(frozen=True)
class Rastrigin2(ShiftedLandscape):
    """f(x) = Σ (xᵢ² + 10 - 10 cos 2π xᵢ) at x = z - s, shift s per seed.

    Source: Rastrigin 1974; BBOB f3 (Hansen et al. 2009).
    Shapes: z (2,); s is drawn from N(0, 1), the start is s + (1.27, -1.24) + N(0, 0.1²).
    Optimum: f* = 0 at s. There is a minimum beside every point of whole numbers, of almost the sum of their squares:
    the start lies in the basin of (1, -1), whose 2 is less than a tenth of the initial 23. A hundredth takes a way out
    of that basin: from (1.4, -2.3), at any learning rate up to 1, no run of AdamW of 64 came below a tenth.

    Exposes whether an optimizer ever leaves a basin, and what for.
    """

    name: ClassVar[str] = "rastrigin2"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "multimodal"})
    source: ClassVar[str] = "Rastrigin 1974, BBOB f3 (Hansen et al. 2009)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 150
    gates: ClassVar[bool] = False

    start: ClassVar[tuple[float, ...]] = (1.27, -1.24)
    minimum: ClassVar[tuple[float, ...]] = (0.0, 0.0)

    def height(self, z: Tensor) -> Tensor:
        return (z.square() + 10 - 10 * (2 * math.pi * z).cos()).sum()
