"""Controls: optimizers that learn nothing, so that a task they solve is no test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from pytest_optbench.machine.recipe import Capabilities, Recipe

BLIND = Capabilities(
    dimensions=frozenset(range(5)), needs_closure=True, gradient_before_closure=False, train_eval=False
)
"""A control takes a closure and never calls it: the engine then computes no gradient."""


class NoOp(Optimizer):
    """Never moves."""

    def __init__(self, params: Iterable[Tensor]) -> None:
        super().__init__(params, {})

    def step(self, closure: Callable[[], float]) -> None:  # type: ignore[override]
        pass


class RandomWalk(Optimizer):
    """x ← x + lr z with z standard normal: moves without looking."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float]) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(torch.randn_like(parameter), alpha=group["lr"])


NO_OP = Recipe(name="NoOp", optimizer=NoOp, where="control NoOp")
RANDOM_WALKS = tuple(
    Recipe(
        name="RandomWalk",
        optimizer=RandomWalk,
        where="control RandomWalk",
        hyperparameters={"lr": lr},
        claims={"stochastic": True},
    )
    for lr in (1e-3, 1e-2, 1e-1, 1.0)
)
