"""A landscape: a function of two parameters over a grid, and the ways that optimizers took on it; plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where one optimizer was after every step."""

    name: str
    points: tuple[Point, ...]
    steps: int | None
    """Steps to the target; None where it was not reached."""


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """What a picture of a task shows. `heights[row][column]` is the evaluation at (`xs[column]`, `ys[row]`)."""

    title: str
    axes: tuple[str, str]
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    heights: tuple[tuple[float, ...], ...]
    least: float
    """The optimum, or the least value that was seen."""
    target: float
    start: Point
    optimum: Point | None
    ways: tuple[Way, ...]
