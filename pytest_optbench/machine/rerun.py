"""A rerun: rows of a runs table made once more, and whether they came out as they stand there."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.environment import environment
from pytest_optbench.machine.imports import MissingError, load_object
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import Recipe, declared, validate
from pytest_optbench.machine.search import chosen
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.declaration import OptimizerDeclaration, Table
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import Run
from pytest_optbench.words.threshold import Threshold

MACHINE = ("torch", "platform", "cpu")
"""Where two machines agree in these, the same code gives the same bits."""
MARGIN = 0.1
"""By what share steps may differ between machines that do not; another CPU hardly ever moves a seed by more."""


class NotHereError(OptbenchError):
    """The rows cannot be run again here, which says nothing about them."""


@dataclass(frozen=True)
class Repeated:
    """A row that was run again."""

    run: Run
    exact: bool
    """Was it asked for the same bits? Else for steps within a tenth."""
    finding: str
    """How it differs; empty where it came out again."""


def sample_of(runs: Sequence[Run], count: int, *, seed: int) -> list[Run]:
    """`count` scored rows at random; those that ran into a time limit are no results."""
    drawn = [run for run in runs if not run.trial and run.outcome not in ("timeout", "crashed")]
    return random.Random(seed).sample(drawn, min(count, len(drawn)))


def recipe_of(run: Run, table: Table | None) -> Recipe:
    """The recipe of a row: that of the table of its name, else the class that the row names, with the row's values.

    Without a table only a `torch.optim.Optimizer` class is taken, and only from what is installed: a row is data of
    somebody else's. Raises NotHereError where it is not installed, and OptbenchError where there is none, or where the
    table says something else than the row.
    """
    values, tuned = json.loads(run.hyperparameters), json.loads(run.tuned)
    where = f"{run.recipe} ({run.optimizer})"
    if table is None:
        try:
            found = load_object(run.optimizer, where=where)
        except MissingError as error:
            raise NotHereError(str(error)) from error
        if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
            raise OptbenchError(f"{where}: not a class of torch.optim.Optimizer; give the recipe with --recipe")
        declaration = OptimizerDeclaration(
            name=run.recipe,
            where=where,
            optimizer=run.optimizer,
            hyperparameters={name: value for name, value in values.items() if name not in tuned},
        )
        recipe = _with(load_recipe(declaration, root=None, tasks=None), tuned)
        try:
            declared(recipe)
        except OptbenchError as error:  # as of a factory of somebody's own, which goes by the name of its class
            raise NotHereError(f"{error}; give the recipe with --recipe") from error
        return recipe
    own = next((one for one in table.optimizers if one.name == run.recipe), None)
    if own is None:
        raise OptbenchError(f"{table.path}: no table [optimizers.{run.recipe}]")
    recipe = _with(load_recipe(own, root=Path(table.path).parent, tasks=None), tuned)
    for name, stated, theirs in (
        ("optimizer", recipe.path, run.optimizer),
        ("hyperparameters", recipe.hyperparameters_json, run.hyperparameters),
    ):
        if stated != theirs:
            raise OptbenchError(f"{own.where}: {name} are {stated!r}, and {theirs!r} in the row")
    return recipe


def _with(recipe: Recipe, tuned: dict[str, object]) -> Recipe:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in tuned.items()}
    return chosen(recipe, values)


def repeat(runs: Sequence[Run], recipe: Recipe, task: Task, threshold: Threshold, *, timeout: float) -> list[Repeated]:
    """Run these rows of one case again, `timeout` seconds at most.

    Raises NotHereError where another version is installed, or the time is over, and OptbenchError for a recipe that
    cannot be built.
    """
    first = runs[0]
    if recipe.version != first.optimizer_version:
        raise NotHereError(
            f"version {recipe.version or 'unknown'} of {first.optimizer} is installed, "
            f"and the rows are of {first.optimizer_version or 'an unknown one'}"
        )
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=threshold,
        seeds=tuple(sorted(run.seed for run in runs)),
        full_budget=any(_ran_on(run) for run in runs),
        timeout=timeout,
    )
    again = CaseRun(case)
    again.run()
    if again.timed_out:
        raise NotHereError(f"it takes more than {timeout:g} s")
    rows = {row.seed: row for row in again.rows()}
    return [_compared(run, rows[run.seed]) for run in runs]


def _ran_on(run: Run) -> bool:
    """Was it run on to the end of the budget after it had reached the target?"""
    last: int = json.loads(run.curve)[-1][0]
    return run.steps_to_target is not None and last > run.steps_to_target + run.eval_every


def _compared(run: Run, again: Run) -> Repeated:
    exact = run.device == "cpu" and all(getattr(run, name) == environment()[name] for name in MACHINE)
    if exact and run.trajectory_sha == again.trajectory_sha and run.steps == again.steps:
        return Repeated(run, exact, "")
    found = f"{_told(again)} when run again, {_told(run)} in the table"
    if exact:
        same = " (other bits on the same kind of machine)" if run.steps == again.steps else ""
        return Repeated(run, exact, f"{found}{same}")
    return Repeated(run, exact, "" if alike(again.steps, run.steps) else found)


def alike(steps: float, stored: float) -> bool:
    """Within a tenth of each other; two misses are alike."""
    return steps == stored or abs(steps - stored) <= MARGIN * stored < math.inf


def _told(run: Run) -> str:
    return f"{run.outcome} after {run.steps:g} steps" if math.isfinite(run.steps) else run.outcome
