"""References: the well-known optimizers that set targets and budgets, all from torch.optim."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from pytest_optbench.machine.recipe import Recipe

LEARNING_RATES: tuple[float, ...] = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-10, 3))
"""Half-decades from 1e-5 to 1e1, three digits each."""

PAR = "AdamW"
"""The reference whose median steps are called par, and that sets the budget where it reaches the target."""

REFERENCES: Mapping[str, tuple[type[torch.optim.Optimizer], Mapping[str, Any]]] = MappingProxyType(
    {
        "AdamW": (torch.optim.AdamW, {}),
        "SGD": (torch.optim.SGD, {}),
        "SGD-momentum": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "NAdam": (torch.optim.NAdam, {}),
        "RMSprop": (torch.optim.RMSprop, {}),
        "Adagrad": (torch.optim.Adagrad, {}),
    }
)


def reference_recipe(name: str, lr: float) -> Recipe:
    """The recipe of a reference at one learning rate."""
    optimizer, options = REFERENCES[name]
    return Recipe(name=name, optimizer=optimizer, where=f"reference {name}", hyperparameters={"lr": lr, **options})
