"""References: the well-known optimizers that set targets and budgets, all from torch.optim."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.errors import OptbenchError, require_known

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


def reference_recipe(name: str, lr: float | None = None) -> Recipe:
    """The recipe of a reference at one learning rate, or with its learning rate left open."""
    optimizer, options = REFERENCES[name]
    hyperparameters = dict(options) if lr is None else {"lr": lr, **options}
    return Recipe(name=name, optimizer=optimizer, where=f"reference {name}", hyperparameters=hyperparameters)


def spell_reference(recipe: Recipe) -> str:
    """How a threshold names a reference, the inverse of `parse_reference`."""
    return f"{recipe.name}(lr={recipe.hyperparameters['lr']:g})"


def parse_reference(text: str, *, where: str) -> Recipe:
    """The recipe that a threshold names as its reference.

    >>> parse_reference("AdamW(lr=0.1)", where="here").hyperparameters
    {'lr': 0.1}
    """
    match = re.fullmatch(r"(?P<name>[\w-]+)\(lr=(?P<lr>[0-9.e+-]+)\)", text)
    if match is None:
        raise OptbenchError(f"{where}: {text!r} is no reference; expected one as in 'AdamW(lr=0.1)'")
    require_known(match["name"], REFERENCES, where=where, what="reference")
    try:
        return reference_recipe(match["name"], float(match["lr"]))
    except ValueError:
        raise OptbenchError(f"{where}: the learning rate of {text!r} is no number") from None
