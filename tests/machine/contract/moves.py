"""Optimizers made of one function, whole or broken, and what a check says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.plan import CheckCase
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Recipe, declared

Move = Callable[[Tensor, Tensor, dict[str, Any], Mapping[str, Any]], None]
"""(parameter, gradient, its state, its group): changes the parameter in place."""


def normalized(p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """Adam without bias correction, with decoupled decay: sound."""
    m = state.setdefault("m", torch.zeros_like(p))
    v = state.setdefault("v", torch.zeros_like(p))
    m.lerp_(g, 1 - group["betas"][0])
    v.mul_(group["betas"][1]).addcmul_(g, g.conj(), value=1 - group["betas"][1])
    p.mul_(1 - group["lr"] * group["weight_decay"])
    p.addcdiv_(m, v.sqrt() + group["eps"], value=-group["lr"])


def plain(p: Tensor, g: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """Gradient descent: sound."""
    p.add_(g, alpha=-group["lr"])


def optimizer_of(move: Move, **own: Any) -> type[Optimizer]:
    """An optimizer class that makes the move, with these options on top of `normalized`'s."""
    defaults = {"lr": 0.01, "weight_decay": 0.0, "maximize": False, **own}
    if move is normalized or "betas" in own:
        defaults = {"betas": (0.9, 0.99), "eps": 1e-8, **defaults}
    if move is plain:
        del defaults["weight_decay"]

    class Made(Optimizer):
        def __init__(self, params: Any, **options: Any) -> None:
            super().__init__(params, {**defaults, **options})

        @torch.no_grad()
        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        move(p, -p.grad if group["maximize"] else p.grad, self.state[p], group)
            return loss

    return Made


def verdicts(
    optimizer: Any, check: str, *, claims: Mapping[str, Any] | None = None, **hyperparameters: Any
) -> dict[str, str]:
    """What the check says of the optimizer, part by part; empty where the property holds."""
    recipe = Recipe(
        name="Made", optimizer=optimizer, where="here", claims=claims or {}, hyperparameters=hyperparameters
    )
    subject = Subject(recipe, declared(recipe))
    said: dict[str, str] = {}
    for part in CHECKS[check].parts(subject):
        said[part] = ""
        try:
            CheckCase(subject, CHECKS[check], part).run()
        except ContractBroken as broken:
            said[part] = str(broken)
    return said
