"""A difference: where two results of one case part first, by how much, and what may explain it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.errors import OptbenchError

ENVIRONMENT = ("torch", "numpy", "python", "platform", "cpu", "device", "threads")
"""What changes bits, and not the problem: reported, and compared all the same."""
IDENTITY = ("task_version", "schema", "regime", "hyperparameters", "budget", "eval_every", "target", "dtype")
"""What changes the problem, or who solves it: results that differ in it are not compared."""
_PER_SEED = ("initial", "outcomes", "steps", "best")
_NAMES = {"initial": "initial evaluation", "outcomes": "outcome", "steps": "steps to target", "best": "best evaluation"}

Value = float | str | None


@dataclass(frozen=True)
class Difference:
    """The first thing in which two results of a case differ; `step` is None for what belongs to the whole run."""

    seed: int
    what: str
    step: int | None
    before: Value
    after: Value

    def __str__(self) -> str:
        at = "" if self.step is None else f" at step {self.step}"
        return f"seed {self.seed}: {self.what}{at} {_shown(self.before)} before, {_shown(self.after)} now{self._size}"

    @property
    def _size(self) -> str:
        if not isinstance(self.before, int | float) or not isinstance(self.after, int | float):
            return ""
        scale = max(abs(self.before), abs(self.after))
        relative = abs(self.after - self.before) / scale if scale else math.nan
        return f" (relative {relative:.1g})" if math.isfinite(relative) else ""


def _shown(value: Value) -> str:
    if value is None:
        return "not finite"
    return value if isinstance(value, str) else f"{value:.10g}"


def first_difference(before: BaselineRow, after: BaselineRow) -> Difference | None:
    """Where the rows of a case part first, over the seeds that both have; None where all that they hold agrees.

    The curve of the first seed is looked at step by step, of the other seeds what a row holds. Raises OptbenchError for
    a curve that is none.
    """
    if before.seeds and before.seeds[:1] == after.seeds[:1]:
        curves = _curve(before), _curve(after)
        for step in sorted(curves[0].keys() & curves[1].keys()):
            if curves[0][step] != curves[1][step]:
                return Difference(before.seeds[0], "evaluation", step, curves[0][step], curves[1][step])
    places = {seed: index for index, seed in enumerate(after.seeds)}
    for index, seed in enumerate(before.seeds):
        for name in _PER_SEED if seed in places else ():
            values = getattr(before, name)[index], getattr(after, name)[places[seed]]
            if values[0] != values[1]:
                return Difference(seed, _NAMES[name], 0 if name == "initial" else None, *values)
    return None


def _curve(row: BaselineRow) -> dict[int, float | None]:
    try:
        points = json.loads(row.curve)
        return {int(step): None if value is None else float(value) for step, value in points}
    except (ValueError, TypeError, OverflowError, RecursionError):
        text = row.curve if len(row.curve) <= 40 else f"{row.curve[:40]}..."
        raise OptbenchError(
            f"{row.recipe} on {row.task}@{row.task_version}: column 'curve' is {text!r}; "
            "expected a JSON list of [step, value]"
        ) from None


def environment_difference(before: BaselineRow, after: BaselineRow) -> tuple[tuple[str, str, str], ...]:
    """Name, value before and value now of what differs in versions and machine."""
    return _differing(ENVIRONMENT, before, after)


def mismatch(before: BaselineRow, after: BaselineRow) -> str:
    """Why the rows are not of one case, as a sentence; empty where they are."""
    found = [
        f"{name.replace('_', ' ')} was {old} and is {new}"
        for name, old, new in _differing(IDENTITY, before, after)
        if not (name == "hyperparameters" and _same_json(old, new))
    ]
    return "; ".join(found)


def _differing(names: tuple[str, ...], before: BaselineRow, after: BaselineRow) -> tuple[tuple[str, str, str], ...]:
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in names]
    return tuple((name, str(old), str(new)) for name, old, new in pairs if old != new)


def _same_json(old: str, new: str) -> bool:
    try:
        return bool(json.loads(old) == json.loads(new))
    except (ValueError, RecursionError):
        return False
