"""Learning rates that tuning tried on one task."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.cases import CaseSummary, Trial

RATE = "lr"


@dataclass(frozen=True, slots=True)
class Tried:
    """Learning rates in ascending order, with the median steps of their trials, infinite for a miss."""

    rates: NDArray[np.float64]
    steps: NDArray[np.float64]
    chosen: float
    """NaN where the case was run without one."""


def tried(case: CaseSummary) -> Tried | None:
    """None where the trials of a case differ in more than the learning rate, or in nothing."""
    found = steps_by_rate(case.trials)
    if len(found) < 2:
        return None
    chosen = rate_of(case.hyperparameters)
    rates = sorted(found)
    return Tried(
        np.array(rates), np.array([found[rate] for rate in rates]), chosen=math.nan if chosen is None else chosen
    )


def steps_by_rate(trials: Sequence[Trial]) -> dict[float, float]:
    """Median steps by learning rate; empty where trials differ in more than that."""
    found: dict[float, float] = {}
    for trial in trials:
        rate = rate_of(trial.hyperparameters)
        if rate is None or rate in found:
            return {}
        found[rate] = float(np.median(trial.steps)) if np.isfinite(trial.steps).any() else math.inf
    return found


def rate_of(hyperparameters: str) -> float | None:
    """The learning rate among hyperparameters as JSON; None where there is none above 0."""
    try:
        value: Any = json.loads(hyperparameters).get(RATE)
    except (ValueError, AttributeError, RecursionError):
        return None
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    return float(value) if sound else None
