"""Calibration: finds the targets, the budget and par of a task by the protocol of the reference table.

Every reference is tuned over half-decades of its learning rate on tuning seeds, then scored on two disjoint sets of
fresh seeds. Targets are `floor + tau (initial - floor)`, tau in 0.1, 0.01, 0.001, 0.0001, where the floor is the known
optimum, or else the median best value of the best of SGD with momentum, AdamW and NAdam. The gate uses the hardest of
them that a reference reaches on 31 of 32 seeds of both sets; the budget is twice the 90 % quantile of that reference's
steps. AdamW has precedence; SGD, momentum, NAdam, RMSprop and Adagrad stand in where it does not get there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import PAR, REFERENCES, reference_recipe
from pytest_optbench.machine.search import LEARNING_RATES
from pytest_optbench.machine.tasks.task import Task, instance
from pytest_optbench.machine.trials import Trial, run_trials
from pytest_optbench.machine.tuning import TUNING_SEEDS
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.statistics import median, quantile
from pytest_optbench.words.threshold import Threshold
from pytest_optbench.words.verdict import ALMOST_ALL

SEED_SETS = (tuple(range(32)), tuple(range(2_000_000, 2_000_032)))
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
_FLOOR_REFERENCES = ("SGD-momentum", "AdamW", "NAdam")
Report = Callable[[str], None]


def calibrate(task: Task, report: Report = lambda line: None) -> Threshold:
    """The threshold of one task. Raises OptbenchError when no reference reaches any of its targets reliably."""
    with isolated(), torch.no_grad():
        return _Calibration(task, report).threshold()


class _Calibration:
    def __init__(self, task: Task, report: Report) -> None:
        self.task = task
        self.report = report
        self.batched = Batched(task)
        self.tuning = {name: self._run([(name, lr) for lr in LEARNING_RATES], TUNING_SEEDS) for name in REFERENCES}
        self.scores: dict[tuple[str, float], tuple[list[Trial], ...]] = {}

    def threshold(self) -> Threshold:
        levels = self._levels()
        # Par is AdamW's: a level that it reaches is worth more than a harder one that only another reference reaches.
        for names in ([PAR], [name for name in REFERENCES if name != PAR]):
            for target in reversed(levels):
                for name in sorted(names, key=lambda name: self._best_rate(name, target)[1]):
                    found = self._accept(name, target, levels)
                    if found:
                        return found
        raise OptbenchError(f"task {self.task.name}: no reference reaches {levels[0]:.4g} on 31 of 32 seeds")

    def _levels(self) -> tuple[float, ...]:
        initial = median([self._initial(seed) for seed in SEED_SETS[0]])
        floor = self.task.optimum
        if floor is None:
            floor = min(
                median([trial.best for trial in self.tuning[name] if _rate(trial) == lr])
                for name in _FLOOR_REFERENCES
                for lr in LEARNING_RATES
            )
        self.report(f"{self.task.name}: initial {initial:.6g}, floor {floor:.6g}")
        return tuple(float(f"{floor + tau * (initial - floor):.6g}") for tau in LEVELS)

    def _initial(self, seed: int) -> float:
        constants, parameters = instance(self.task, seed)
        return self.task.evaluate(parameters, constants, torch.zeros(())).item()

    def _best_rate(self, name: str, target: float) -> tuple[float, tuple[float, float]]:
        """The learning rate with the fewest median steps to the target on the tuning seeds, then the best value."""

        def score(lr: float) -> tuple[float, float]:
            trials = [trial for trial in self.tuning[name] if _rate(trial) == lr]
            return (
                median([trial.steps_to(target, self.task.horizon) for trial in trials]),
                median([trial.best for trial in trials]),
            )

        lr = min(LEARNING_RATES, key=score)
        return lr, score(lr)

    def _accept(self, name: str, target: float, levels: tuple[float, ...]) -> Threshold | None:
        """The threshold that this reference sets at this target, if it reaches it reliably."""
        lr, (tuned, _) = self._best_rate(name, target)
        if math.isinf(tuned):
            return None
        sets = self._scored(name, lr)
        steps = [[trial.steps_to(target, self.task.horizon) for trial in trials] for trials in sets]
        reached = [sum(map(math.isfinite, one)) for one in steps]
        self.report(f"  {target:.6g}: {name} lr {lr:g} median {median(steps[0]):g} reached {reached}")
        if min(count / len(one) for count, one in zip(reached, steps, strict=True)) < ALMOST_ALL:
            return None
        budget = _rounded_up(2 * quantile([step for one in steps for step in one if math.isfinite(step)], 0.9))
        par = self._par(target, budget)
        return Threshold(target, budget, par, levels, f"{name}(lr={lr:g})")

    def _par(self, target: float, budget: int) -> float | None:
        """Median steps of tuned AdamW on the gate's own seeds; None when most of them miss."""
        lr, (tuned, _) = self._best_rate(PAR, target)
        if math.isinf(tuned):
            return None
        value = median([trial.steps_to(target, budget) for trial in self._scored(PAR, lr)[0]])
        return value if math.isfinite(value) else None

    def _scored(self, name: str, lr: float) -> tuple[list[Trial], ...]:
        if (name, lr) not in self.scores:
            self.scores[name, lr] = tuple(self._run([(name, lr)], seeds[: self.task.seeds]) for seeds in SEED_SETS)
        return self.scores[name, lr]

    def _run(self, rates: Sequence[tuple[str, float]], seeds: Sequence[int]) -> list[Trial]:
        """Every (reference, learning rate) with every seed over the horizon, all on shared gradients."""
        recipes = [reference_recipe(name, lr) for name, lr in rates]
        lanes = [(recipe, validate(recipe), seed) for recipe in recipes for seed in seeds]
        horizon = self.task.horizon
        return run_trials(self.batched, lanes, budget=horizon, eval_every=max(1, horizon // 400))


def _rate(trial: Trial) -> float:
    return float(trial.recipe.hyperparameters["lr"])


def _rounded_up(steps: float) -> int:
    """Up to two significant digits: budgets are for people."""
    unit = 10 ** max(math.floor(math.log10(max(steps, 1))) - 1, 0)
    return int(math.ceil(steps / unit) * unit)


def calibrate_all(tasks: Sequence[Task], report: Report) -> Iterator[tuple[Task, Threshold]]:
    """Calibrate task after task, so that what is found can be stored before the next one begins."""
    for task in tasks:
        yield task, calibrate(task, report)
