"""Recording: the fingerprints of declared optimizers, as rows of a baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_optbench import SUITE_VERSION
from pytest_optbench.machine.contract.fingerprint import fingerprint
from pytest_optbench.machine.contract.plan import require_lr
from pytest_optbench.machine.contract.subject import subjects
from pytest_optbench.machine.environment import environment
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import Recipe, declared, without_default
from pytest_optbench.machine.search import open_search, stand_in
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.fingerprint import row


def recorded(declarations: Iterable[OptimizerDeclaration], *, root: Path | None) -> list[BaselineRow]:
    """The fingerprint of every configuration; OptbenchError for an optimizer that does not get through the script."""
    recipes = [load_recipe(declaration, root=root, tasks=None) for declaration in declarations]
    return [found for recipe in recipes for found in _rows(recipe)]


def _rows(recipe: Recipe) -> list[BaselineRow]:
    require_lr(recipe)
    required = without_default(recipe)
    recipe = stand_in(recipe, {name: values for name, values in open_search(recipe).items() if name in required})
    rows = []
    for subject in subjects(recipe, declared(recipe)):
        try:
            found = fingerprint(subject)
        except Exception as error:
            raise OptbenchError(
                f"{recipe.where}: no fingerprint of configuration {subject.configuration!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        rows.append(
            row(
                found,
                recipe=recipe.name,
                configuration=subject.configuration,
                suite=f"optbench-{SUITE_VERSION}",
                optimizer=recipe.path,
                optimizer_version=recipe.version,
                regime=recipe.regime,
                hyperparameters=recipe.hyperparameters_json,
                dtype="float32" if subject.claimed("no_fp64") else "float64",
                **environment(),
            )
        )
    return rows
