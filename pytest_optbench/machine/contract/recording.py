"""Recording: the fingerprints of declared optimizers, as rows of a baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_optbench import SUITE_VERSION
from pytest_optbench.machine.contract.broken import ContractBroken, NotAvailable
from pytest_optbench.machine.contract.checks.parity import parity
from pytest_optbench.machine.contract.configurations import subjects
from pytest_optbench.machine.contract.fingerprint import fingerprint
from pytest_optbench.machine.contract.plan import CheckCase, require_lr
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.environment import environment
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import Capabilities, Recipe, declared, without_default
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
    recipe = as_constructed(recipe)
    rows = []
    for subject in subjects(recipe, declared(recipe)):
        try:
            rows.append(recorded_row(subject))
        except Exception as error:
            if subject.derived:  # nobody has asked for it
                continue
            raise OptbenchError(
                f"{recipe.where}: no fingerprint of configuration {subject.configuration!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
    return rows


def as_constructed(recipe: Recipe) -> Recipe:
    """The recipe at its own hyperparameters, else at the constructor's: a middling value only where that has none.

    Raises OptbenchError for a learning rate that has no value at all.
    """
    require_lr(recipe)
    required = without_default(recipe)
    return stand_in(recipe, {name: values for name, values in open_search(recipe).items() if name in required})


def recorded_subjects(recipe: Recipe, capabilities: Capabilities) -> list[Subject]:
    """The configurations of a recipe, as fingerprints are made of them."""
    return subjects(as_constructed(recipe), capabilities)


def parity_covers(subject: Subject) -> bool:
    """Is the configuration compared with a reference, step by step, so that there is no need of a fingerprint?"""
    names = subject.recipe.expected_failures
    excused = any(parity.name in name.split("::") for name in names)
    return bool(parity.parts(subject)) and not excused


def parity_holds(subject: Subject) -> bool:
    """Does the configuration take the steps of its reference, here and now?"""
    try:
        for part in parity.parts(subject):
            CheckCase(subject, parity, part).run()
    except (ContractBroken, NotAvailable):
        return False
    return True


def recorded_row(subject: Subject) -> BaselineRow:
    """The fingerprint of one configuration, as a row. Exceptions of the optimizer come out as they are."""
    recipe = subject.recipe
    return row(
        fingerprint(subject),
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
