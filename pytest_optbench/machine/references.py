"""References: the well-known optimizers that set targets and budgets, all from torch.optim."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.machine.tasks.task import Task, parameter_shapes
from pytest_optbench.words.baseline import BaselineRow, shipped_rows
from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.standing import fastest

PAR = "AdamW"
"""The reference whose median steps are called par, and that sets the budget where it reaches the target."""
BUDGET_SETTERS = ("SGD", "SGD-momentum", "SGD-nesterov", "NAdam", "RMSprop", "Adagrad")
"""Those that may stand in for par: first-order methods that take a step of about the learning rate."""


def _everywhere(task: Task) -> bool:
    return True


def _objective_is_fixed(task: Task) -> bool:
    """Is the gradient, at every step, that of one and the same function? A line search or a secant asks for it.

    Ill-conditioned ones are left out for their cost: where it does not arrive, LBFGS takes minutes for a case.
    """
    same = type(task).gradient is Task.gradient and type(task).transform is Task.transform
    return same and "deterministic" in task.tags and task.tags.isdisjoint({"nonstationary", "ill_conditioned"})


def _noisy(task: Task) -> bool:
    return "noisy" in task.tags


def _matrices(task: Task) -> bool:
    return all(len(shape) == 2 for shape in parameter_shapes(task).values())


@dataclass(frozen=True)
class Reference:
    """An optimizer of torch with what makes it the method of that name, and the tasks on which it makes sense."""

    optimizer: type[torch.optim.Optimizer]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    applies: Callable[[Task], bool] = _everywhere
    one_gradient: bool = True
    """Does a step evaluate one gradient? Steps of others are no measure beside it."""


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "AdamW": Reference(torch.optim.AdamW),
        "SGD": Reference(torch.optim.SGD),
        "SGD-momentum": Reference(torch.optim.SGD, {"momentum": 0.9}),
        "SGD-nesterov": Reference(torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "Adam": Reference(torch.optim.Adam),
        "NAdam": Reference(torch.optim.NAdam),
        "RAdam": Reference(torch.optim.RAdam),
        "Adamax": Reference(torch.optim.Adamax),
        "RMSprop": Reference(torch.optim.RMSprop),
        "Adagrad": Reference(torch.optim.Adagrad),
        "Adadelta": Reference(torch.optim.Adadelta),
        "Adafactor": Reference(torch.optim.Adafactor),
        "Rprop": Reference(torch.optim.Rprop),
        "ASGD": Reference(torch.optim.ASGD, applies=_noisy),
        "LBFGS": Reference(torch.optim.LBFGS, applies=_objective_is_fixed, one_gradient=False),
        "Muon": Reference(torch.optim.Muon, applies=_matrices),
    }
)


def references_of(task: Task) -> tuple[str, ...]:
    """The names of the references that make sense on the task: Muon on matrices, LBFGS where nothing is random, ASGD
    where something is."""
    return tuple(name for name, reference in REFERENCES.items() if reference.applies(task))


def standard_rows(task: Task) -> dict[str, BaselineRow]:
    """The rows of the shipped reference table that a standing on the task is measured by, by level; {} for none.

    `competitive` is measured by tuned AdamW, `leads` by the reference with the least median of steps, of those that
    evaluate one gradient a step.
    """
    rows = {row.recipe: row for row in shipped_rows(task.name, task.version)}
    best = fastest(row for name, row in rows.items() if name in REFERENCES and REFERENCES[name].one_gradient)
    found = {"competitive": rows.get(PAR), "leads": best}
    return {level: row for level, row in found.items() if row is not None}


def reference_recipe(name: str, lr: float | None = None) -> Recipe:
    """The recipe of a reference at one learning rate, or with its learning rate left open."""
    reference = REFERENCES[name]
    hyperparameters = dict(reference.hyperparameters) if lr is None else {"lr": lr, **reference.hyperparameters}
    return Recipe(name=name, optimizer=reference.optimizer, where=f"reference {name}", hyperparameters=hyperparameters)


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
