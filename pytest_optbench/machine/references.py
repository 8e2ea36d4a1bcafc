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


def reference_recipe(name: str, lr: float) -> Recipe:
    """The recipe of a reference at one learning rate."""
    optimizer, options = REFERENCES[name]
    return Recipe(name=name, optimizer=optimizer, where=f"reference {name}", hyperparameters={"lr": lr, **options})


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
