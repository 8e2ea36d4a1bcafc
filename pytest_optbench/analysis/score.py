"""The score of a leaderboard: the area under the curve of targets reached, over the logarithm of the steps.

The score of a case is the area under the empirical distribution of steps / budget over its pairs of seed and level, on
a logarithmic axis from a hundredth of the budget to the budget, as a share of the whole: the ECDF of COCO (Hansen et
al. 2016, "COCO: performance assessment", arXiv 1605.03560), with each task in equal weight, and integrated as the
performance profiles of AlgoPerf are (Dahl et al. 2023, arXiv 2306.07179). It is 1 where every level is reached in a
hundredth of the budget or less, and 0 where nothing is reached within it. A pair that is reached in half of the budget
counts log 2 / log 100 = 0.15, one in a tenth 0.5. Where a task has no target, those who are compared set the levels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.cases import CaseSummary, Trial
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import Curve
from pytest_optbench.words.statistics import median
from pytest_optbench.words.threshold import Threshold

SPAN = 100.0
"""The axis begins at this part of the budget: sooner is no better."""
HALVINGS = 7
"""Levels of a task without target: the last leaves 1/128 of the way."""
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a leaderboard keeps of a case; arrays have an entry per seed."""

    task: str
    tier: str
    seeds: int
    scores: Values | None
    """None where the task has no target: then only beside others is a value good or bad."""
    initial: Values
    best: Values
    budget: int
    curves: tuple[Curve, ...]
    """Where the task has no target; else ()."""
    reached: int
    solved: bool
    speed_up: float
    """Median steps of tuned AdamW by those of the case; 0 where it missed, NaN where AdamW does."""
    breadth: float
    """Share of the learning rates that work (see `breadth`); NaN where nothing was tuned."""
    step_ratio: float
    """Time of optimizer.step() by that of a gradient; NaN where it is not known."""
    state_bytes: float
    """Per scalar parameter."""
    hyperparameters: str


def scored(case: CaseSummary, threshold: Threshold | None, *, tier: str = "") -> Scored:
    """What a leaderboard keeps of a case; `threshold` is that of its task, None for a task that ships with none.

    `tier` is that of the task where it is known, for the table may say whatever it likes.
    """
    levels = threshold.levels if threshold else ()
    par = threshold.par if threshold else None
    known = case.medians
    return Scored(
        task=case.task,
        tier=tier or case.tier,
        seeds=len(case.seeds),
        scores=None if case.target == -math.inf else seed_scores(case, levels),
        initial=np.array(case.initial),
        best=np.array(case.best),
        budget=case.budget,
        curves=_curves(case) if case.target == -math.inf else (),
        reached=case.reached,
        solved=case.solved,
        speed_up=math.nan if par is None else par / max(case.median_steps, 1.0),
        breadth=breadth(case.trials, levels[0] if levels else case.target),
        step_ratio=_ratio(known.get("step_ms"), known.get("gradient_ms")),
        state_bytes=known.get("state_bytes_per_param", math.nan),
        hyperparameters=case.hyperparameters,
    )


def seed_scores(case: CaseSummary, levels: Sequence[float]) -> Values:
    """The score of every seed: the mean over the levels that are not harder than the target, the target among them.

    Harder ones do not count: a record ends at the target, so that nothing is known of them.
    """
    counted = [k for k, level in enumerate(levels) if level > case.target and not math.isclose(level, case.target)]
    table = [
        [*(own[k] for k in counted), steps]
        for own, steps in zip(case.level_steps or [()] * len(case.steps), case.steps, strict=True)
        if len(own) >= len(counted)
    ]
    if len(table) < len(case.steps):  # a table without the steps to the levels
        table = [[steps] for steps in case.steps]
    found: Values = area(np.array(table, dtype=float), case.budget).mean(axis=1)
    return found


def area(steps: Values, budget: int) -> Values:
    """What each number of steps adds to the area under the ECDF: from 0 at the budget to 1 at a hundredth of it.

    >>> area(np.array([[1.0, 10.0, 100.0, np.inf]]), 100).round(3).tolist()
    [[1.0, 0.5, 0.0, 0.0]]
    """
    with np.errstate(divide="ignore"):
        found = np.log(budget / np.maximum(steps, 1e-9)) / math.log(SPAN)
    return np.clip(found, 0.0, 1.0)


def relative_scores(cases: Sequence[Scored]) -> list[Values]:
    """The scores of cases on one task without a target, whose levels are set by the cases themselves.

    With `least` the least median of best values among `cases`, and the way that of the median initial value to it, the
    levels leave 1/2, 1/4, ... 1/128 of the way, as the targets of COCO are spaced on a logarithmic axis; the score is
    the area under the ECDF as where there is a target. Steps are those of the points that a curve keeps, about ten to a
    decade. They depend on who is compared.
    """
    least = _least_median(case.best for case in cases)
    way = _least_median(case.initial for case in cases) - least
    levels = [least + way * 0.5**k for k in range(1, HALVINGS + 1)]
    return [
        area(np.array([[first_below(curve, one) for one in levels] for curve in case.curves]), case.budget).mean(axis=1)
        for case in cases
    ]


def _least_median(each: Iterable[Values]) -> float:
    """NaN, which nothing is below, where no median is finite."""
    return min((middle for one in each if math.isfinite(middle := float(np.median(one)))), default=math.nan)


def first_below(curve: Curve, level: float) -> float:
    """The steps after which the curve is first at or below the level; infinite where it never is."""
    return next((float(step) for step, value in curve if value <= level), math.inf)


def breadth(trials: Sequence[Trial], level: float) -> float:
    """The share of the values tried by tuning whose median of best values is at or below `level`, an easy one.

    Tuning ends the others once one value has reached the target on every seed, and drops the worse half on the way, so
    that this is about the steps that tuning granted: a lower bound of what would get there within the whole budget.
    """
    if not trials or level == -math.inf:
        return math.nan
    return sum(median([math.inf if math.isnan(one) else one for one in t.best]) <= level for t in trials) / len(trials)


def _curves(case: CaseSummary) -> tuple[Curve, ...]:
    if len(case.curves) < len(case.seeds):
        raise OptbenchError(
            f"{case.source}: {case.recipe} on {case.task}@{case.task_version} has no curve of every seed; a score "
            "without a target is made of curves"
        )
    return case.curves


def _ratio(time: Any, other: Any) -> float:
    return float(time) / float(other) if time and other else math.nan
