"""Example outputs of a case, for a page: whatever the cell holds, it becomes plain, small data or a sentence."""

from __future__ import annotations

import json
from typing import Any

from pytest_optbench.report.inert import LONGEST_NAME, one_line
from pytest_optbench.report.page.level import Level, number

DEPTH = 4
"""Nested lists that are shown: images are three deep."""
LEFT_OUT = "too long for a page"
UNREADABLE = "cannot be read"


def examples_of(cell: str, level: Level) -> dict[str, Any] | str:
    """The outputs by name, or a sentence that says why there are none; {} for an empty cell."""
    if not cell or not level.examples:
        return {}
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return UNREADABLE
    if not isinstance(found, dict):
        return UNREADABLE
    trajectory = found.pop("trajectory", None)
    shown = {one_line(name, longest=LONGEST_NAME): _plain(value, level, DEPTH) for name, value in found.items()}
    if points := _trajectory(trajectory, level):
        shown["trajectory"] = points
    return shown if len(json.dumps(shown, separators=(",", ":"))) <= level.examples else LEFT_OUT


def _trajectory(points: Any, level: Level) -> list[list[float | int | None]]:
    """Lists of step, x and y, evenly thinned."""
    good = [point for point in points if _is_point(point)] if isinstance(points, list) else []
    stride = max(1, -(-len(good) // max(level.points, 2)))
    places = [*range(0, len(good) - 1, stride), len(good) - 1] if good else []
    return [[int(good[k][0]), *(number(one, level.digits) for one in good[k][1:])] for k in places]


def _is_point(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 3 and all(type(one) in (int, float) for one in point)


def _plain(value: Any, level: Level, depth: int) -> Any:
    if isinstance(value, list):
        return [_plain(one, level, depth - 1) for one in value] if depth else None
    if value is None or isinstance(value, bool):
        return value if value is None else int(value)
    if isinstance(value, int | float):
        return number(value, level.digits)
    return one_line(str(value))
