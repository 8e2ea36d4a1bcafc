"""Health: what a run shows beside its evaluations, in which range a healthy one keeps it, and what left it first."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_optbench.words.record import Record

GROWTH = 1e5
"""A gradient this many times the first one is out of range; tuned references leave a plateau with 1,600 times that."""
LARGEST_UPDATE = 1e3
"""The greatest sane norm of an update, in norms of the parameters that it moves; tuned references get to 150 with the
first step from a start near the origin."""
LEAST_UPDATE = 1e-9
"""The least one: below it, float32 parameters stand still."""
DIGITS = 4
TOLD = 2
"""Quantities that a failure names."""

OF_STEPS = frozenset({"loss", "gradient_norm", "update_ratio"})
"""Quantities of a step; all others belong to the parameters after it."""

Range = tuple[float, float]


@dataclass
class Health:
    """Signs of health as they come: for every quantity its values, each with a step, in the order of the steps."""

    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def feed(self, quantity: str, step: int, value: float) -> None:
        self.series.setdefault(quantity, []).append((step, value))

    def to_json(self) -> str:
        """Lists of [step, value] by quantity, to a few digits; what is not finite is null. Empty for nothing."""
        points = {name: [[step, rounded(value)] for step, value in values] for name, values in self.series.items()}
        return json.dumps(points, separators=(",", ":")) if points else ""


@dataclass(frozen=True)
class Deviation:
    """A value that a healthy run does not have."""

    quantity: str
    value: float
    step: int
    sane: Range

    def __str__(self) -> str:
        return f"{self.quantity} {self.value:.{DIGITS}g} at step {self.step}, sane {self._end}"

    @property
    def _end(self) -> str:
        """The end of the range that it is beyond."""
        low, high = self.sane
        if math.isfinite(low) and self.value < low:
            return f"from {low:.{DIGITS}g}"
        return f"up to {high:.{DIGITS}g}" if math.isfinite(high) and self.value > high else "while finite"


def first_deviation(record: Record, health: Health, sane: Mapping[str, Range]) -> Deviation | None:
    """The first value out of its range; `sane` are the task's own ranges, which go before those of all tasks.

    What is not finite is in no range. At the same step, what is measured first goes first: loss, gradient and update of
    the step, then the evaluation and the signs of the task's own after it.
    """
    signs = [(name, step, value) for name, values in health.series.items() for step, value in values]
    of_steps = [sign for sign in signs if sign[0] in OF_STEPS]
    after = [sign for sign in signs if sign[0] not in OF_STEPS]
    initial = [("initial", record.steps[k], record.values[k]) for k in range(min(len(record.values), 1))]
    evaluations = [("evaluation", step, value) for step, value in zip(record.steps, record.values, strict=True)]
    ranges = {**_ranges(record, health), **sane}
    gradients = dict(health.series.get("gradient_norm", ()))
    resting = _resting(health.series.get("update_ratio", ()), gradients)
    found = []
    for name, step, value in [*of_steps, *initial, *evaluations, *after]:
        low, high = ranges.get(name, (-math.inf, math.inf))
        if name == "update_ratio" and step not in resting:
            low = -math.inf
        if not (math.isfinite(value) and low <= value <= high):
            found.append(Deviation(name, value, step, (low, high)))
    return min(found, key=lambda one: one.step, default=None)


def _resting(updates: Sequence[tuple[int, float]], gradients: Mapping[int, float]) -> set[int]:
    """Steps at which a small update says something: there is a gradient to follow, and the next update that is looked
    at is as small (a warm-up may begin at 0)."""
    following = [value for _, value in [*updates, (0, 0.0)][1:]]  # nothing after the last one speaks for it
    return {
        step
        for (step, _), later in zip(updates, following, strict=True)
        if gradients.get(step) != 0 and not later >= LEAST_UPDATE
    }


def _ranges(record: Record, health: Health) -> dict[str, Range]:
    """The ranges that all tasks have."""
    gradients = [value for _, value in health.series.get("gradient_norm", ()) if value and math.isfinite(value)]
    return {
        "evaluation": (-math.inf, record.ceiling if record.values else math.inf),
        "gradient_norm": (0.0, GROWTH * gradients[0] if gradients else math.inf),
        "update_ratio": (LEAST_UPDATE, LARGEST_UPDATE),
    }


def deviations_told(texts: Sequence[str]) -> list[str]:
    """Of the `unhealthy` cells of runs, a sentence for each of the commonest quantities among them."""
    by_quantity: dict[str, list[str]] = {}
    for text in filter(None, texts):
        by_quantity.setdefault(text.partition(" ")[0], []).append(text)
    commonest = Counter({name: len(some) for name, some in by_quantity.items()}).most_common(TOLD)
    return [f"first out of range: {by_quantity[name][0]} ({count} of {len(texts)} seeds)" for name, count in commonest]


def rounded(value: Any) -> Any:
    """A number, or lists of them, to a few digits for a person to read; what is not finite is None."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
