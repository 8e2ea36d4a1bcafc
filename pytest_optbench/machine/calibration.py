"""Calibration: finds the target, the budget and the reference rows of a task by the protocol of the reference table.

Levels are `floor + tau (initial - floor)`, tau in 0.1, 0.01, 0.001, 0.0001, where the floor is the known optimum, or
else the median best value of the best of SGD with Nesterov momentum, AdamW and NAdam. The gate's target is the hardest
level that AdamW, tuned for it as a user's recipe is, reaches within the task's horizon on 31 of 32 seeds of two
disjoint sets; where it reaches none, the best of the other first-order references stands in for it. The budget is
twice the 90 % quantile of its steps. Then every reference that makes sense on the task is tuned for that target and
budget, and run on the seeds of the gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.references import (
    BUDGET_SETTERS,
    PAR,
    reference_recipe,
    references_of,
    spell_reference,
)
from pytest_optbench.machine.tasks.task import Task, instance
from pytest_optbench.machine.tuning import tune
from pytest_optbench.words.baseline import BaselineRow, for_reference, from_runs
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import median, quantile
from pytest_optbench.words.threshold import Threshold
from pytest_optbench.words.verdict import ALMOST_ALL

SEED_SETS = (tuple(range(32)), tuple(range(2_000_000, 2_000_032)))
"""Seeds that score; the first set is the gate's. Tuning has seeds of its own."""
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
_FLOOR_REFERENCES = ("SGD-nesterov", "AdamW", "NAdam")
_RULE = "31 of 32 seeds of both sets"

Report = Callable[[str, float], None]
"""Takes a line about a step of the protocol that is done, and the share of the task's steps that are done by now."""


@dataclass(frozen=True)
class Calibrated:
    """What is known of a task after its calibration."""

    task: str
    task_version: int
    threshold: Threshold
    rows: tuple[BaselineRow, ...]
    """One row per reference."""


def calibrate(task: Task, report: Report = lambda line, share: None) -> Calibrated:
    """Calibrate one task. Raises OptbenchError when no reference reaches any of its levels reliably."""
    return _Calibration(task, report).calibrated()


def complete(
    task: Task, threshold: Threshold, names: Sequence[str], report: Report = lambda line, share: None
) -> Calibrated:
    """The rows of these references at a threshold that is known: what a table lacks that others have filled before."""
    return _Calibration(task, report).completed(threshold, names)


@dataclass(frozen=True)
class _Choice:
    """A reference as tuned for one threshold, and how it did in that."""

    recipe: Recipe
    steps: float
    best: float


class _Calibration:
    def __init__(self, task: Task, report: Report) -> None:
        self.task = task
        self._report = report
        self._sets = tuple(seeds[: task.seeds] for seeds in SEED_SETS)
        self._references = references_of(task)
        self._capabilities = {name: validate(reference_recipe(name)) for name in self._references}
        self._by_value: dict[str, _Choice] = {}
        self._done = 0
        self._ahead = 2 + 2 + 2 * len(self._references) + 1
        if task.optimum is None:
            self._ahead += len(_FLOOR_REFERENCES)

    def calibrated(self) -> Calibrated:
        levels = self._levels()
        name, gate = self._gate(levels)
        runs: list[Run] = []
        threshold = gate
        for reference in self._references:
            recipe = self._tuned(reference, gate).recipe
            first = self._scored(recipe, gate, self._sets[0])
            runs += first
            if reference == name:
                self._confirm(recipe, gate, first + self._scored(recipe, gate, self._sets[1]))
                threshold = replace(threshold, reference=spell_reference(recipe))
            if reference == PAR:
                par = median([run.steps for run in first])
                threshold = replace(threshold, par=par if math.isfinite(par) else None)
        return Calibrated(self.task.name, self.task.version, threshold, tuple(for_reference(from_runs(runs), runs)))

    def completed(self, threshold: Threshold, names: Sequence[str]) -> Calibrated:
        self._ahead = 2 * len(names) + 1
        runs: list[Run] = []
        for name in names:
            runs += self._scored(self._tuned(name, threshold).recipe, threshold, self._sets[0])
        return Calibrated(self.task.name, self.task.version, threshold, tuple(for_reference(from_runs(runs), runs)))

    def _levels(self) -> tuple[float, ...]:
        with isolated(), torch.no_grad():
            initial = median([self._initial(seed) for seed in SEED_SETS[0]])
        floor = self.task.optimum
        if floor is None:
            best = min((self._reached_by(name) for name in _FLOOR_REFERENCES), key=lambda choice: choice.best)
            by_value = Threshold(target=-math.inf, budget=self.task.horizon)
            floor = _median_best(self._scored(best.recipe, by_value, self._sets[0]))
        self._tell(f"initial {initial:.6g}, floor {floor:.6g}")
        return tuple(float(f"{floor + tau * (initial - floor):.6g}") for tau in LEVELS)

    def _initial(self, seed: int) -> float:
        constants, parameters = instance(self.task, seed)
        return self.task.evaluate(parameters, constants, torch.zeros(())).item()

    def _gate(self, levels: tuple[float, ...]) -> tuple[str, Threshold]:
        """The reference that sets the budget, with target and budget."""
        # Par is AdamW's: a level that it reaches is worth more than a harder one that only another reference reaches.
        for names in ([PAR], [name for name in BUDGET_SETTERS if name in self._references]):
            for target in reversed(levels):
                # Tuning for a level that no candidate reaches takes the very steps of tuning for the least value.
                able = [name for name in names if self._reached_by(name).best <= target]
                within = Threshold(target=target, budget=self.task.horizon)
                tuned = sorted((self._tuned(name, within) for name in able), key=lambda one: (one.steps, one.best))
                for choice in tuned:
                    budget = self._budget(choice, within)
                    if budget is not None:
                        return choice.recipe.name, Threshold(target=target, budget=budget, levels=levels)
                self._ahead += 2 * len(able)
        raise OptbenchError(f"task {self.task.name}: no reference reaches {levels[0]:.4g} on {_RULE}")

    def _reached_by(self, name: str) -> _Choice:
        """What a reference comes to within the horizon."""
        if name not in self._by_value:
            self._by_value[name] = self._tuned(name, Threshold(target=-math.inf, budget=self.task.horizon))
        return self._by_value[name]

    def _budget(self, choice: _Choice, within: Threshold) -> int | None:
        """Twice the 90 % quantile of its steps, if it reaches the target reliably."""
        if math.isinf(choice.steps):
            return None
        runs: list[Run] = []
        for seeds in self._sets:
            runs += self._scored(choice.recipe, within, seeds)
            if not self._reliable(runs, seeds):
                return None
        return _rounded_up(2 * quantile([run.steps for run in runs if math.isfinite(run.steps)], 0.9))

    def _confirm(self, recipe: Recipe, gate: Threshold, runs: Sequence[Run]) -> None:
        if not all(self._reliable(runs, seeds) for seeds in self._sets):
            counts = " and ".join(f"{self._reached(runs, seeds)} of {len(seeds)}" for seeds in self._sets)
            raise OptbenchError(
                f"task {self.task.name}: {spell_reference(recipe)} sets the budget, but reaches {gate.target:.6g} "
                f"within {gate.budget} steps on {counts} seeds; the rule is {_RULE}"
            )

    def _reliable(self, runs: Sequence[Run], seeds: Sequence[int]) -> bool:
        return self._reached(runs, seeds) >= ALMOST_ALL * len(seeds)

    def _reached(self, runs: Sequence[Run], seeds: Sequence[int]) -> int:
        return sum(math.isfinite(run.steps) for run in runs if run.seed in seeds)

    def _tuned(self, name: str, threshold: Threshold) -> _Choice:
        tuned = tune(reference_recipe(name), self._capabilities[name], self.task, threshold)
        trials = [run for run in tuned.runs if run.hyperparameters == tuned.recipe.hyperparameters_json]
        steps = median([run.steps for run in trials])
        best = _median_best(trials)
        self._tell(
            f"{spell_reference(tuned.recipe)} tuned {_towards(threshold)}: "
            + (f"{steps:g} steps" if math.isfinite(steps) else f"best {best:.6g}")
        )
        return _Choice(tuned.recipe, steps, best)

    def _scored(self, recipe: Recipe, threshold: Threshold, seeds: Sequence[int]) -> list[Run]:
        """A run per seed. What a reference raises is raised: it must not count as a miss."""
        case = CaseRun(
            Case(
                recipe=recipe,
                capabilities=self._capabilities[recipe.name],
                task=self.task,
                threshold=threshold,
                seeds=tuple(seeds),
            )
        )
        case.run()
        if case.crash is not None:
            raise case.crash
        rows = case.rows()
        reached = sum(math.isfinite(row.steps) for row in rows)
        found = f"{reached} of {len(rows)} seeds, median {median([row.steps for row in rows]):g} steps"
        if math.isinf(threshold.target):
            found = f"median best {_median_best(rows):.6g}"
        self._tell(f"{spell_reference(recipe)} scored {_towards(threshold)}: {found}")
        return rows

    def _tell(self, line: str) -> None:
        self._done += 1
        self._ahead = max(self._ahead, self._done + 1)
        self._report(line, self._done / self._ahead)


def _median_best(runs: Sequence[Run]) -> float:
    return median([math.inf if run.best is None else run.best for run in runs])


def _towards(threshold: Threshold) -> str:
    if math.isinf(threshold.target):
        return f"by value in {threshold.budget} steps"
    return f"to {threshold.target:.6g} in {threshold.budget} steps"


def _rounded_up(steps: float) -> int:
    """Up to two significant digits: budgets are for people."""
    unit = 10 ** max(math.floor(math.log10(max(steps, 1))) - 1, 0)
    return max(int(math.ceil(steps / unit) * unit), 1)
