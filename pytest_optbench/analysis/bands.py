"""Bands: quantiles of several curves, by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Band:
    """Quantiles over seeds, by step. A seed whose record has ended counts with its last value."""

    steps: tuple[int, ...]
    low: tuple[float, ...]
    """The lower quartile."""
    median: tuple[float, ...]
    high: tuple[float, ...]
    """The upper quartile."""


def band(curves: Sequence[Sequence[Sequence[float | None]]]) -> Band | None:
    """Quartiles of several curves at all steps at which one of them has a point; None where there is no point.

    Between its points, and after its last one, a curve has the value of the point before; what is not finite counts as
    infinite.

    >>> band([((0, 4.0), (2, 2.0)), ((0, 4.0), (2, 1.0), (4, 0.0))]).median
    (4.0, 1.5, 1.0)
    """
    lengths = [len(curve) for curve in curves if curve]
    if not lengths:
        return None
    points = np.array([point for curve in curves for point in curve], dtype=float)
    if not np.isfinite(points[:, 0]).all():
        raise ValueError("a step that is no number")
    values = np.where(np.isfinite(points[:, 1]), points[:, 1], math.inf)
    steps, column = np.unique(points[:, 0], return_inverse=True)
    # Of every curve and step, the number of the point that holds there: its last one so far, or else its first.
    first = np.cumsum([0, *lengths[:-1]])
    point = np.repeat(first[:, None], len(steps), axis=1)
    point[np.repeat(np.arange(len(lengths)), lengths), column] = np.arange(len(points))
    table = np.sort(values[np.maximum.accumulate(point, axis=1)], axis=0)
    last = len(lengths) - 1
    # The quartiles are values of seeds, not between two of them: infinity less infinity is no number.
    low, high = table[math.floor(0.25 * last)], table[math.ceil(0.75 * last)]
    middle = (table[last // 2] + table[-(-last // 2)]) / 2
    return Band(
        steps=tuple(steps.astype(int).tolist()),
        low=tuple(low.tolist()),
        median=tuple(middle.tolist()),
        high=tuple(high.tolist()),
    )
