"""Performance profiles (Dolan and Moré 2002, doi 10.1007/s101070100263) against the frozen references.

The ratio of an entry on a task is its median steps by those of the best reference on that task that evaluates one
gradient a step. The paper divides by
the best of the compared solvers; a frozen denominator keeps a profile as it is when other entries are drawn beside it
(Gould and Scott 2016 show how they change otherwise), and it lets a ratio fall below 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.collection import Collection, Entry, TaskKey


@dataclass(frozen=True)
class Ratio:
    task: TaskKey
    steps: float
    """Median over seeds, infinite for a miss."""
    best: float
    """Median steps of the best reference."""

    @property
    def ratio(self) -> float:
        """Infinite for a miss."""
        return self.steps / self.best


def ratios(collection: Collection, entry: Entry) -> list[Ratio]:
    """Of every task that a reference solves."""
    return [
        Ratio(key, case.median_steps, best)
        for key, case in collection.cases[entry].items()
        if 0 < (best := collection.best_reference(key)) < math.inf
    ]


def profile(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The profile of ratios: the finite ones in ascending order, and the share of all that is at most as large.

    >>> profile(np.array([2.0, 1.0, math.inf, 2.0]))
    (array([1., 2.]), array([0.25, 0.75]))
    """
    finite, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    return finite, np.cumsum(counts) / max(len(values), 1)
