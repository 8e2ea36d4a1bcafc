"""Matrix problems: every parameter has two dimensions, so that matrix-only optimizers can run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

NOISE = 0.1
"""Standard deviation of what is added to an observed entry."""


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
        _check_rank(self.name, self.rank, self.size)

    def private(self, streams: Streams) -> Tensors:
        return {"product": _product(streams, self.size, self.rank)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {name: self.spread * normal(streams.init, self.size, self.rank) for name in ("left", "right")}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return (parameters["left"] @ parameters["right"].T - constants["product"]).square().mean()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return _factors(constants["product"], self.rank)


@dataclass(frozen=True)
class MatrixCompletion(Task):
    """f(U, V) = E (y - (U Vᵀ)_ij)², y = M_ij + 0.1 z: M = A Bᵀ of rank 3, A and B per seed.

    Source: matrix completion (Candès and Recht 2009, arXiv 0805.4471) by factors as in LightBench and PSGD (Li 2015,
    arXiv 1512.04202); Ge et al. 2016 (arXiv 1605.07272) on its landscape.
    Shapes: U (16, 3), V (16, 3), M (16, 16); a step sees a quarter of the entries, `mask` (16, 16), each with fresh
    noise (16, 16) of standard deviation 0.1; A and B are standard normal, the start is N(0, 0.3²).
    Optimum: f* = 0.01, the variance of the noise: U Vᵀ = M predicts each entry, and nothing predicts what is added.

    The evaluation is the exact expectation over entries and noise. Exposes saddles that come from symmetry under
    gradients with holes, and noise that does not vanish at the optimum.
    """

    name: ClassVar[str] = "matrix_completion"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "matrix"})
    source: ClassVar[str] = "Candès and Recht 2009 (arXiv 0805.4471), Ge et al. 2016 (arXiv 1605.07272)"
    optimum: ClassVar[float | None] = NOISE**2
    horizon: ClassVar[int] = 500

    size: int = knob(16, least=1)
    """Rows and columns of M."""
    rank: int = knob(3, least=1)
    """Columns of U and V, and the rank of M (at most `size`)."""
    density: float = knob(0.25, above=0, most=1, harder="less")
    """Share of the entries that a step sees, rounded to at least one."""
    spread: float = knob(0.3, above=0)
    """Standard deviation of the start; the saddle at the origin is at 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rank(self.name, self.rank, self.size)

    def private(self, streams: Streams) -> Tensors:
        return {"product": _product(streams, self.size, self.rank)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {name: self.spread * normal(streams.init, self.size, self.rank) for name in ("left", "right")}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        entries = self.size**2
        seen = max(1, round(self.density * entries))
        chosen = uniform(streams.data, steps, entries).topk(seen).indices
        # Divided by its own mean, the mask makes the loss an unbiased estimate of the evaluation.
        mask = torch.zeros(steps, entries).scatter(1, chosen, entries / seen)
        noise = NOISE * normal(streams.noise, steps, self.size, self.size)
        return {"mask": mask.view(steps, self.size, self.size), "noise": noise}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        seen = constants["product"] + batch["noise"]
        return (batch["mask"] * (parameters["left"] @ parameters["right"].T - seen).square()).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        error = parameters["left"] @ parameters["right"].T - constants["product"]
        return error.square().mean() + NOISE**2

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return _factors(constants["product"], self.rank)


def _check_rank(task: str, rank: int, size: int) -> None:
    if rank > size:
        raise ValueError(f"{task}: the knob 'rank' must be at most 'size' ({size}), but it is {rank}.")


def _product(streams: Streams, size: int, rank: int) -> Tensor:
    left = normal(streams.data, size, rank)
    right = normal(streams.data, size, rank)
    return left @ right.T


def _factors(product: Tensor, rank: int) -> Tensors:
    """Factors of equal size, by singular values."""
    U, S, Vh = torch.linalg.svd(product)
    roots = S[:rank].sqrt()
    return {"left": U[:, :rank] * roots, "right": Vh[:rank].T * roots}
