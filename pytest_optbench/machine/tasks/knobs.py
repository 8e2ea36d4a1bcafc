"""Knobs: the difficulty settings of a task, declared as dataclass fields that know their own range."""

from __future__ import annotations

import math
from dataclasses import Field, field, fields
from typing import Any, Literal, TypeVar

Number = TypeVar("Number", int, float)


def knob(
    default: Number,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    harder: Literal["more", "less"] | None = None,
) -> Number:
    """A field whose value must be at least `least`, more than `above` and at most `most`; an int default asks for one.

    Knobs make a task harder or easier without moving its `optimum`; what would move it is a constant of the task.
    `harder` declares that more (or less) of the value costs the reference more steps, which admission then tests.
    """
    metadata = {"bounds": {"least": least, "above": above, "most": most}, "harder": harder}
    declared: Any = field(default=default, metadata=metadata)
    return declared  # type: ignore[no-any-return]


def described_knobs(task: Any) -> dict[str, str]:
    """What every knob of `task` is set to, from what range, and which way is harder."""
    return {
        declared.name: f"{getattr(task, declared.name)}, {_wanted(declared)}"
        + (f"; {declared.metadata['harder']} is harder" if declared.metadata["harder"] else "")
        for declared in fields(task)
        if "bounds" in declared.metadata
    }


def check_knobs(task: Any) -> None:
    """Raise a ValueError that names the first knob of `task` whose value is of the wrong kind or out of its range."""
    for declared in fields(task):
        if "bounds" not in declared.metadata:
            continue
        value, bounds = getattr(task, declared.name), declared.metadata["bounds"]
        whole = isinstance(declared.default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        # Written so that NaN is out of every range.
        if not (number and value >= bounds["least"] and value > bounds["above"] and value <= bounds["most"]):
            raise ValueError(
                f"{task.name}: the knob {declared.name!r} must be {_wanted(declared)}, but it is {value!r}."
            )


def _wanted(declared: Field[Any]) -> str:
    whole = isinstance(declared.default, int)
    return f"{'a whole' if whole else 'a'} number{_range(**declared.metadata['bounds'])}"


def _range(least: float, above: float, most: float) -> str:
    lower = f" of at least {least:g}" if least > -math.inf else f" above {above:g}" if above > -math.inf else ""
    upper = f" and at most {most:g}" if most < math.inf else ""
    return lower + upper
