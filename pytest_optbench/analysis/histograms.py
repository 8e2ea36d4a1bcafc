"""Histograms of values that come in pieces: fixed bins, so that any number of values takes the same memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -12, 12
"""Powers of 10 that the bins span; what lies beyond is in the outermost ones."""
PER_DECADE = 4
UNIT_BINS = 40
EDGES = np.logspace(LOWEST, HIGHEST, (HIGHEST - LOWEST) * PER_DECADE + 1)
UNIT_EDGES = np.linspace(0.0, 1.0, UNIT_BINS + 1)


@dataclass
class Histogram:
    """Counts on a scale of logarithms and, for shares, between 0 and 1; what fits neither is counted by itself."""

    decades: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES) - 1, dtype=np.int64))
    """Of the positive finite values, by bin between `EDGES`."""
    unit: NDArray[np.int64] = field(default_factory=lambda: np.zeros(UNIT_BINS, dtype=np.int64))
    """Of the values from 0 to 1, by bin between `UNIT_EDGES`."""
    count: int = 0
    zero: int = 0
    negative: int = 0
    infinite: int = 0
    """Values that are not finite, NaN among them."""

    def add(self, values: NDArray[np.float64]) -> None:
        finite = values[np.isfinite(values)]
        positive = np.clip(finite[finite > 0], EDGES[0], EDGES[-1])
        self.decades += np.histogram(positive, EDGES)[0]
        self.unit += np.histogram(finite[(finite >= 0) & (finite <= 1)], UNIT_EDGES)[0]
        self.count += len(values)
        self.zero += int((finite == 0).sum())
        self.negative += int((finite < 0).sum())
        self.infinite += len(values) - len(finite)

    @property
    def is_share(self) -> bool:
        """Do all finite values lie between 0 and 1?"""
        return int(self.unit.sum()) == self.count - self.infinite
