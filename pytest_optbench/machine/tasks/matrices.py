"""Matrix problems: every parameter has two dimensions, so that matrix-only optimizers can run."""

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
class MatrixFactor(ExactTask):
    """f(U, V) = mean (U Vᵀ - M)², M = A Bᵀ of rank 3 with Gaussian A and B per seed.

    Source: low-rank factorization as in PSGD (Li 2015, arXiv 1512.04202) and LightBench; Burer and Monteiro 2003.
    Shapes: U (12, 3), V (12, 3), M (12, 12); the start is N(0, 0.1²), close to the saddle at the origin.
    Optimum: f* = 0, since M has the rank of the factors: any split of its singular value decomposition attains it.

    Exposes saddles that come from symmetry (U, V and U G, V G⁻ᵀ are equal), and treatment of rows and columns.
    """

    name: ClassVar[str] = "matrix_factor"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "saddle", "matrix"})
    source: ClassVar[str] = "Burer and Monteiro 2003, PSGD (Li 2015, arXiv 1512.04202)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 800

    size: int = knob(12, least=1)
    """Rows and columns of M."""
    rank: int = knob(3, least=1, harder="more")
    """Columns of U and V, and the rank of M (at most `size`)."""
    spread: float = knob(0.1, above=0)
    """Standard deviation of the start; the saddle at the origin is at 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank > self.size:
            raise ValueError(
                f"{self.name}: the knob 'rank' must be at most 'size' ({self.size}), but it is {self.rank}."
            )

    def private(self, streams: Streams) -> Tensors:
        left = normal(streams.data, self.size, self.rank)
        right = normal(streams.data, self.size, self.rank)
        return {"product": left @ right.T}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {name: self.spread * normal(streams.init, self.size, self.rank) for name in ("left", "right")}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return (parameters["left"] @ parameters["right"].T - constants["product"]).square().mean()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        U, S, Vh = torch.linalg.svd(constants["product"])
        roots = S[: self.rank].sqrt()
        return {"left": U[:, : self.rank] * roots, "right": Vh[: self.rank].T * roots}
