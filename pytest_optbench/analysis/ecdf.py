"""Empirical distribution of run lengths over (task, level, seed), as COCO draws it (Hansen et al. 2021,
doi 10.1080/10556788.2020.1808977): the share of all targets that are reached within a share of the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.collection import Collection, Entry, TaskKey


@dataclass(frozen=True)
class Distribution:
    """`shares[k]` of all (task, level, seed) are reached within `lengths[k]` of their task's budget."""

    lengths: NDArray[np.float64]
    shares: NDArray[np.float64]
    targets: int
    """How many (task, level) there are."""
    runs: int
    """How many (task, level, seed)."""


def counted_levels(collection: Collection, entries: Sequence[Entry]) -> dict[TaskKey, int]:
    """By task, how many of its levels, from the easiest on, the records of all entries show that were run on it."""
    found: dict[TaskKey, int] = {}
    for entry in entries:
        for key, case in collection.cases[entry].items():
            found[key] = min(found.get(key, case.levels.shape[1]), case.levels.shape[1])
    return found


def distribution(collection: Collection, entry: Entry, counted: dict[TaskKey, int]) -> Distribution:
    """The distribution of an entry over the levels that count."""
    parts = [
        (case.levels[:, : counted[key]] / case.budget).ravel()
        for key, case in collection.cases[entry].items()
        if case.budget > 0
    ]
    lengths = np.concatenate([np.empty(0), *parts])
    finite, counts = np.unique(lengths[np.isfinite(lengths)], return_counts=True)
    return Distribution(
        finite,
        np.cumsum(counts) / max(len(lengths), 1),
        targets=sum(counted[key] for key in collection.cases[entry]),
        runs=len(lengths),
    )
