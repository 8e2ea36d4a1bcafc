"""Sparse gradients: most rows see an exact zero on most steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors


@dataclass(frozen=True)
class SparseRows200(Task):
    """f(W) = ½ mean (W - T)², of which each step sees 2 % of the rows: the gradient is dense, with zero rows.

    Source: `SparseProblem` in the code of Wichrowska et al. 2017, arXiv 1703.04813.
    Shapes: W (200, 8), targets T (200, 8), mask (200, 1) with 4 rows a step; W and T start as N(0, 1).
    Optimum: f* = 0 at W = T. The evaluation covers all rows, and is the expectation of the loss.

    Exposes how moments decay while a row sees no gradient, and parameters that move without one.
    """

    name: ClassVar[str] = "sparse_rows200"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "noisy", "sparse", "matrix"})
    source: ClassVar[str] = "SparseProblem, Wichrowska et al. 2017 (arXiv 1703.04813)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 1600

    rows: int = knob(200, least=1)
    columns: int = knob(8, least=1)
    density: float = knob(0.02, above=0, most=1, harder="less")
    """Share of the rows that a step sees, rounded to at least one row."""

    def private(self, streams: Streams) -> Tensors:
        return {"targets": normal(streams.data, self.rows, self.columns)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"weight": normal(streams.init, self.rows, self.columns)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        active = max(1, round(self.density * self.rows))
        chosen = uniform(streams.data, steps, self.rows).topk(active).indices
        # Divided by its own mean, the mask makes the loss an unbiased estimate of the evaluation.
        return {"mask": torch.zeros(steps, self.rows).scatter(1, chosen, self.rows / active)[..., None]}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return 0.5 * (batch["mask"] * (parameters["weight"] - constants["targets"]).square()).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return 0.5 * (parameters["weight"] - constants["targets"]).square().mean()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"weight": constants["targets"].clone()}
