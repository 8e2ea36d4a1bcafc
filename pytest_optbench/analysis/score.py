"""The score of a leaderboard: the area under the curve of targets reached, over the logarithm of the steps.

The score of a case is the area under the empirical distribution of steps / budget over its pairs of seed and level, on
a logarithmic axis from a hundredth of the budget to the budget, as a share of the whole: the ECDF of COCO (Hansen et
al. 2016, "COCO: performance assessment", arXiv 1605.03560), with each task in equal weight, and integrated as the
performance profiles of AlgoPerf are (Dahl et al. 2023, arXiv 2306.07179). It is 1 where every level is reached in a
hundredth of the budget or less, and 0 where nothing is reached within it. A pair that is reached in half of the budget
counts log 2 / log 100 = 0.15, one in a tenth 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.cases import CaseSummary, Trial
from pytest_optbench.words.statistics import median
from pytest_optbench.words.threshold import Threshold

SPAN = 100.0
"""The axis begins at this part of the budget: sooner is no better."""
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


def value_scores(cases: Sequence[Scored]) -> list[Values]:
    """The scores of cases on one task without a target: the way from the initial value to the best of all cases.

    (initial - best) / (initial - least), `least` being the least median of best values among `cases`: 1 for the
    optimizer that leads, 0 for one that never came below where it started. They depend on who is compared.
    """
    least = min((float(np.median(case.best)) for case in cases if np.isfinite(np.median(case.best))), default=0.0)
    found = []
    for case in cases:
        way = case.initial - least
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(way > 0, (case.initial - case.best) / way, 1.0)
        found.append(np.clip(np.nan_to_num(share, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0))
    return found


def breadth(trials: Sequence[Trial], level: float) -> float:
    """The share of the values tried by tuning whose median of best values is at or below `level`, an easy one.

    Tuning ends the others once one value has reached the target on every seed, and drops the worse half on the way, so
    that this is about the steps that tuning granted: a lower bound of what would get there within the whole budget.
    """
    if not trials or level == -math.inf:
        return math.nan
    return sum(median([math.inf if math.isnan(one) else one for one in t.best]) <= level for t in trials) / len(trials)


def _ratio(time: Any, other: Any) -> float:
    return float(time) / float(other) if time and other else math.nan
