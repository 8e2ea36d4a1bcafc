"""A record: the evaluations of one run as they come, and the rule that turns them into an outcome."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import struct
from collections import deque
from dataclasses import dataclass, field

from pytest_optbench.words.run import Outcome

DIVERGENCE = 1e3
"""A value this many times the initial one (above the optimum, where that is known) is a divergence."""
CURVE_POINTS = 25
PATH_POINTS = 50
"""At most so many points of a path are evenly spaced."""
HEALTH_STRIDE = 2
"""Of the points of a curve, every second one is looked at more closely."""


@dataclass
class Record:
    """Feed it every evaluation in order; once `outcome` is set, the run is over.

    The target is reached at the first of two consecutive evaluations at or below it. A value that is not finite, or
    more than `DIVERGENCE` times the initial one, is `diverged`. Values are averaged over the last `window`
    evaluations first. With `full_budget` the record goes on after the outcome, to the end of the budget.
    """

    target: float
    budget: int
    eval_every: int
    optimum: float | None = None
    window: int = 1
    full_budget: bool = False
    outcome: Outcome | None = None
    steps_to_target: int | None = None
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=deque)
    _candidate: int | None = None

    @property
    def finished(self) -> bool:
        """Is there nothing more to learn from this run?"""
        if self.outcome == "reached" and self.full_budget:
            return self.steps[-1] + self.eval_every > self.budget or self._exploded(self.values[-1])
        return self.outcome is not None

    def feed(self, step: int, raw: float) -> None:
        """Take the evaluation after `step` steps."""
        self._recent.append(raw)
        if len(self._recent) > self.window:
            self._recent.popleft()
        value = math.fsum(self._recent) / len(self._recent) if math.isfinite(raw) else raw
        self.steps.append(step)
        self.values.append(value)
        if self.outcome is None:
            self._decide(step, value)

    def _decide(self, step: int, value: float) -> None:
        if self._exploded(value):
            self.outcome = "diverged"
        elif not value <= self.target:
            self._candidate = None
        elif self._candidate is None:
            self._candidate = step
        else:
            self.outcome = "reached"
            self.steps_to_target = self._candidate
        if self.outcome is None and step + self.eval_every > self.budget:
            self.outcome = "missed"

    def _exploded(self, value: float) -> bool:
        floor = self.optimum or 0.0
        return not (math.isfinite(value) and value - floor <= DIVERGENCE * abs(self.values[0] - floor))

    @property
    def best(self) -> float | None:
        """The least value, NaN left out; None before the first evaluation."""
        return min((value for value in self.values if not math.isnan(value)), default=None)

    def steps_to(self, target: float) -> int | None:
        """Steps to another target, by the same rule; None where the record does not reach it."""
        pairs = itertools.pairwise(zip(self.steps, self.values, strict=True))
        return next((step for (step, value), (_, after) in pairs if value <= target and after <= target), None)

    def curve(self) -> str:
        """JSON list of [step, value]: the first, the last, and a log-spaced choice between; non-finite values are null.

        Which steps are chosen depends on the schedule alone (budget and interval), so that curves of different
        optimizers share their steps; the end of the record is always there.
        """
        last = len(self.values) - 1
        chosen = _log_spaced(self.budget // self.eval_every)
        indices = [k for k in sorted(chosen | {0, last}) if 0 <= k <= last]
        return json.dumps(
            [[self.steps[k], self.values[k] if math.isfinite(self.values[k]) else None] for k in indices],
            separators=(",", ":"),
        )

    @property
    def ceiling(self) -> float:
        """A value above it is a divergence; there must have been an evaluation."""
        floor = self.optimum or 0.0
        return floor + DIVERGENCE * abs(self.values[0] - floor)

    def health_steps(self) -> frozenset[int]:
        """Steps after which more is measured than the evaluation: a part of the curve's, by the schedule alone."""
        chosen = {0, *_log_spaced(self.budget // self.eval_every, HEALTH_STRIDE)}
        return frozenset(k * self.eval_every for k in chosen)

    def path_steps(self) -> frozenset[int]:
        """Steps after which the parameters are kept where they are few: the curve's, and others evenly between."""
        last = self.budget // self.eval_every
        chosen = {0, *_log_spaced(last), *range(0, last + 1, max(1, math.ceil(last / PATH_POINTS)))}
        return frozenset(k * self.eval_every for k in chosen)

    def sha(self) -> str:
        """SHA-256 over every value as a little-endian double; two runs share it exactly when they agree to the bit."""
        return hashlib.sha256(struct.pack(f"<{len(self.values)}d", *self.values)).hexdigest()


def _log_spaced(last: int, stride: int = 1) -> set[int]:
    """Numbers of evaluations up to the last one of the schedule, `stride` apart among those of a curve."""
    return {round(max(last, 1) ** (k / (CURVE_POINTS - 2))) for k in range(0, CURVE_POINTS - 1, stride)}
