"""A sound optimizer to be broken line by line, and the verdict of one check on it."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

from pytest_optbench.machine.contract.plan import plan
from pytest_optbench.machine.recipe import Recipe, declared


class Sound(Optimizer):
    """SGD with heavy-ball momentum and L2 decay; counts its steps."""

    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=0.01):
        if not lr >= 0:
            raise ValueError(f"lr is {lr}; expected 0 or more")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, p.grad, group, self.state[p])
        return loss

    def update(self, p, g, group, state):
        state["t"] = state.get("t", 0) + 1
        g = g.add(p, alpha=group["weight_decay"])
        buffer = state.setdefault("momentum", torch.zeros_like(p))
        buffer.mul_(group["momentum"]).add_(g)
        p.sub_(buffer, alpha=group["lr"])


def cases(optimizer, check, *, claims=None, extras=(), **configurations):
    """The cases of a check on an optimizer."""
    recipe = Recipe(name="Mine", optimizer=optimizer, where="here", claims=claims or {}, configurations=configurations)
    return [case for case in plan(recipe, declared(recipe), extras=extras) if case.check.name == check]


def verdicts(optimizer, check, **options):
    """The sentences of a check, by part; empty ones where it holds."""
    sentences = {}
    for case in cases(optimizer, check, **options):
        try:
            case.run()
        except Exception as error:
            sentences[case.part] = str(error)
        else:
            sentences[case.part] = ""
    return sentences


def sentence(optimizer, check, **options):
    """What a check that fails says first; empty where it holds. It must have been made."""
    found = verdicts(optimizer, check, **options)
    assert found, f"{check} is not made of {optimizer.__name__}"
    return next(filter(None, found.values()), "")
