"""Levels of detail: how much of a case a page keeps, by the number of cases, so that any page opens at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pytest_optbench.analysis.bands import Band
from pytest_optbench.words.run import Curve


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is kept of each case. Sizes are for a file of under 20 MB."""

    most: float
    """Cases of a page with this level."""
    points: int
    """Of a curve or a trajectory; 0 for none."""
    digits: int
    """Significant ones, of a value that is drawn."""
    seeds: bool = False
    """A curve and the figures of every seed, beside the band?"""
    diagnostics: bool = False
    examples: int = 0
    """Characters of the example outputs of a case; longer ones are left out."""
    note: str = ""
    """What the page says of what is missing."""


LEVELS = (
    Level(most=1_000, points=64, digits=4, seeds=True, diagnostics=True, examples=40_000),
    Level(
        most=5_000,
        points=24,
        digits=4,
        diagnostics=True,
        examples=6_000,
        note="With so many cases, curves are quartile bands of 24 points at most, without those of single seeds.",
    ),
    Level(
        most=40_000,
        points=12,
        digits=3,
        examples=1_500,
        note="With so many cases, curves are quartile bands of 12 points at most, without those of single seeds, and "
        "diagnostics and large example outputs are left out. A page of fewer cases shows them.",
    ),
    Level(most=math.inf, points=0, digits=3, note="With so many cases, there are no curves and no examples here."),
)


def number(value: float | None, digits: int = 5) -> float | int | None:
    """The number to so many digits, as short as JSON can have it; None for what is not finite.

    >>> number(12.000001), number(0.0123456, 3), number(float("inf"))
    (12, 0.0123, None)
    """
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 10**digits else short


def numbers(values: Iterable[float], digits: int) -> list[float | int | None]:
    return [number(value, digits) for value in values]


def thinned(steps: tuple[int, ...], most: int) -> list[int]:
    """Places of at most so many steps, evenly apart on a scale of logarithms; the first and the last among them.

    >>> thinned((0, 1, 2, 3, 4, 5, 6, 7, 8), 4)
    [0, 1, 3, 8]
    """
    if len(steps) <= most:
        return list(range(len(steps)))
    logarithms = [math.log1p(max(step, 0)) for step in steps]
    first, last = logarithms[0], logarithms[-1]
    places, k = set(), 0
    for part in range(most):
        wanted = first + (last - first) * part / (most - 1)
        while k + 1 < len(steps) and abs(logarithms[k + 1] - wanted) <= abs(logarithms[k] - wanted):
            k += 1
        places.add(k)
    return sorted(places)


def thin_band(band: Band, level: Level) -> list[list[Any]]:
    """Steps, lower quartiles, medians and upper quartiles."""
    places = thinned(band.steps, level.points)
    rows = (band.low, band.median, band.high)
    return [[band.steps[k] for k in places], *(numbers([row[k] for k in places], level.digits) for row in rows)]


def thin_curve(curve: Curve, level: Level) -> list[list[Any]]:
    """Steps and values."""
    places = thinned(tuple(step for step, _ in curve), level.points)
    return [[curve[k][0] for k in places], numbers([curve[k][1] for k in places], level.digits)]
