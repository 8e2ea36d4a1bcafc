"""Loading: from a declaration, which is text, to a recipe, which holds the user's own classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from pytest_optbench.machine.imports import load_object
from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.claims import CHECKS, check_of
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError, require_known


def load_recipe(declaration: OptimizerDeclaration, *, root: Path | None, tasks: Iterable[str]) -> Recipe:
    """Import what the declaration names. Raises OptbenchError with its place when something is missing or unfit."""
    where = declaration.where
    optimizer = _resolved(declaration.optimizer, where=f"{where}: class", root=root)
    if isinstance(optimizer, type) and not issubclass(optimizer, torch.optim.Optimizer):
        raise OptbenchError(
            f"{where}: class {declaration.optimizer!r} is no torch.optim.Optimizer; "
            "expected such a class, or a function that returns one"
        )
    if not callable(optimizer):
        raise OptbenchError(f"{where}: {declaration.optimizer!r} is a {type(optimizer).__name__}; expected a class")
    scheduler = None
    if declaration.scheduler is not None:
        scheduler = _resolved(declaration.scheduler, where=f"{where}: scheduler", root=root)
        if not callable(scheduler):
            raise OptbenchError(f"{where}: scheduler {declaration.scheduler!r} is no factory (optimizer, budget)")
    if declaration.reference:
        load_object(declaration.reference, where=f"{where}: reference", root=root)
    names = [*tasks, *CHECKS]
    for key in declaration.expected_failures:
        name = check_of(key, declaration.configurations) or key
        require_known(name, names, where=f"{where}: expected_failures", what="task or check")
    return Recipe(
        name=declaration.name,
        optimizer=optimizer,
        where=where,
        hyperparameters=_frozen(declaration.hyperparameters),
        configurations={name: _frozen(options) for name, options in declaration.configurations.items()},
        search=declaration.search,
        scheduler=scheduler,
        tasks=declaration.tasks,
        family=declaration.family,
        claims=declaration.claims,
        reference=declaration.reference,
        expected_failures=declaration.expected_failures,
    )


def _resolved(value: Any, *, where: str, root: Path | None) -> Any:
    return load_object(value, where=where, root=root) if isinstance(value, str) else value


def _frozen(options: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no tuples, and several optimizers insist on one for `betas`."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
