"""Expected running time (Hansen et al. 2021, doi 10.1080/10556788.2020.1808977): the steps that restarting takes on
average until a run reaches the target.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.collection import Collection, TaskKey


def expected_running_time(steps: NDArray[np.float64], budget: float) -> float:
    """Steps of all runs, each miss with the whole budget, by the number of runs that reach the target.

    Infinite where none does. A run that diverged counts with the whole budget, too, though it ended sooner.

    >>> expected_running_time(np.array([10.0, 20.0, math.inf]), 30)
    30.0
    """
    reached = np.isfinite(steps)
    if not reached.any():
        return math.inf
    return float((steps[reached].sum() + budget * (~reached).sum()) / reached.sum())


def best_of_references(collection: Collection, key: TaskKey) -> float:
    """The least expected running time of a reference; infinite where none ever reaches the target."""
    return min((expected_running_time(case.steps, case.budget) for case in collection.measures(key)), default=math.inf)
