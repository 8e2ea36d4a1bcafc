"""Sensitivity to the learning rate, from the trials of tuning.

Trials are cut short: after a quarter and after half of the budget only the better half goes on, and all end once one
has reached the target on every seed. So a learning rate that is not counted as solved may still have got there, but
later than the one that was chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_optbench.analysis.collection import Collection, Entry


@dataclass(frozen=True)
class Rate:
    """What one learning rate made of the tasks that it was tried on."""

    rate: float
    tasks: int
    solved: int
    """Tasks that the median seed of its trials solved before they ended."""
    chosen: int
    """Tasks for which tuning chose it."""
    ratio: float
    """Median over the tasks that it solved: its median steps by those of the best learning rate; NaN without one."""


def sensitivity(collection: Collection, entry: Entry) -> list[Rate]:
    """By learning rate, in ascending order; of tasks for which nothing but the learning rate was tuned."""
    found: dict[float, list[tuple[float, bool]]] = {}
    for tried in collection.tried.get(entry, {}).values():
        best = max(float(tried.steps.min()), 1.0)
        for rate, steps in zip(tried.rates.tolist(), tried.steps.tolist(), strict=True):
            ratio = steps / best if math.isfinite(steps) else math.inf
            found.setdefault(rate, []).append((ratio, math.isclose(rate, tried.chosen)))
    return [_rate(rate, found[rate]) for rate in sorted(found)]


def _rate(rate: float, some: list[tuple[float, bool]]) -> Rate:
    solved = [ratio for ratio, _ in some if math.isfinite(ratio)]
    return Rate(
        rate=rate,
        tasks=len(some),
        solved=len(solved),
        chosen=sum(chosen for _, chosen in some),
        ratio=float(np.median(solved)) if solved else math.nan,
    )
