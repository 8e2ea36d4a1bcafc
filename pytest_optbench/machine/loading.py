"""Loading: from a declaration, which is text, to a recipe, which holds the user's own classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from pytest_optbench.machine.contract.reference import VARIANTS, Reference, accepted
from pytest_optbench.machine.imports import load_object
from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.claims import CHECKS, check_of
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError, nearest, require_known


def load_recipe(declaration: OptimizerDeclaration, *, root: Path | None, tasks: Iterable[str] | None) -> Recipe:
    """Import what the declaration names. Raises OptbenchError with its place when something is missing or unfit.

    `tasks` are the names that expected failures may have besides those of checks; None leaves them unchecked.
    """
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
    for key in declaration.expected_failures if tasks is not None else ():
        names = [*(tasks or ()), *CHECKS]
        name = check_of(key, declaration.configurations or ()) or key
        require_known(name, names, where=f"{where}: expected_failures", what="task or check")
    return Recipe(
        name=declaration.name,
        optimizer=optimizer,
        where=where,
        hyperparameters=_frozen(declaration.hyperparameters),
        configurations={name: _frozen(options) for name, options in (declaration.configurations or {}).items()},
        derives=declaration.configurations is None,
        search=declaration.search,
        scheduler=scheduler,
        tasks=declaration.tasks,
        family=declaration.family,
        claims=declaration.claims,
        reference=_reference(declaration, optimizer, root) if declaration.reference else None,
        expected_failures=declaration.expected_failures,
    )


def _reference(declaration: OptimizerDeclaration, optimizer: Any, root: Path | None) -> Reference:
    """What the recipe is compared with; both must know the hyperparameters that the declaration names."""
    where = f"{declaration.where}: reference"
    given = declaration.reference
    table: Mapping[str, Any] = given if isinstance(given, Mapping) else {"class": given}
    found = _resolved(table["class"], where=where, root=root)
    if not callable(found):
        raise OptbenchError(f"{where}: {table['class']!r} is a {type(found).__name__}; expected a class")
    if isinstance(found, type) and not issubclass(found, torch.optim.Optimizer):
        raise OptbenchError(f"{where}: {found.__qualname__} is no torch.optim.Optimizer")
    reference = Reference(found, dict(table.get("names", {})), _frozen(table.get("hyperparameters", {})))
    mine, theirs = accepted(optimizer), accepted(found)
    if mine is not None:
        for name in reference.names:
            require_known(name, mine, where=f"{where}: names", what="hyperparameter")
    if theirs is not None:
        for name in filter(None, [*reference.names.values(), *reference.hyperparameters]):
            require_known(name, theirs, where=where, what=f"hyperparameter of {reference.path}")
        for name in declaration.hyperparameters:
            if (called := reference.called(name)) and called not in theirs and called not in VARIANTS:
                raise OptbenchError(
                    f"{where}: {reference.path} has no hyperparameter {called!r}; say what it is called there with "
                    f'names = {{ {name} = "..." }}, empty if it needs none{nearest(called, theirs)}'
                )
    return reference


def _resolved(value: Any, *, where: str, root: Path | None) -> Any:
    return load_object(value, where=where, root=root) if isinstance(value, str) else value


def _frozen(options: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no tuples, and several optimizers insist on one for `betas`."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
