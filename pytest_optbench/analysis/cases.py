"""Cases: one recipe on one task over its seeds, as figures, pages and leaderboards see it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_optbench.analysis.bands import Band
from pytest_optbench.words.baseline import BaselineRow, shipped_reference
from pytest_optbench.words.run import Curve
from pytest_optbench.words.statistics import median

SHARED = (
    *("suite", "tier", "optimizer", "optimizer_version", "regime", "hyperparameters", "tuned", "engine"),
    *("torch", "numpy", "python", "platform", "cpu", "device", "dtype", "git_sha", "timestamp"),
    *("verdict", "level", "change"),
)
"""Texts in which the runs of a case agree, or of which the first run's is told."""

Key = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One value that tuning tried, over the seeds of tuning."""

    hyperparameters: str
    steps: tuple[float, ...]
    """To the target, infinite where it was not reached."""
    best: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CaseSummary:
    """One recipe on one task over its seeds. Tuples have an entry per seed, in ascending order of `seeds`."""

    source: str
    """The file it came from."""
    recipe: str
    task: str
    task_version: int
    budget: int
    eval_every: int
    target: float
    optimum: float | None
    shared: Mapping[str, str]
    """The texts named in `SHARED`."""
    threads: int
    seeds: tuple[int, ...]
    outcomes: tuple[str, ...]
    steps: tuple[float, ...]
    """To the target, infinite where it was not reached."""
    level_steps: tuple[tuple[float, ...], ...]
    """Per seed and level, infinite where the record does not show it; () without levels."""
    initial: tuple[float, ...]
    best: tuple[float, ...]
    final: tuple[float, ...]
    curve: Band | None
    diagnostics: Mapping[str, Band] = field(default_factory=dict)
    unhealthy: tuple[str, ...] = ()
    examples: str = ""
    """Of the first seed, as JSON."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Median over seeds of each further figure of merit."""
    medians: Mapping[str, float] = field(default_factory=dict)
    """Of step_ms, gradient_ms, state_bytes_per_param, peak_bytes, evaluations, where known."""
    comparison: Mapping[str, float] = field(default_factory=dict)
    """p_value, ratio, ratio_low, ratio_high against the baseline, where known."""
    curves: tuple[Curve, ...] = ()
    """Of every seed, where they are asked for."""
    trials: tuple[Trial, ...] = ()
    ends: tuple[int, ...] = ()
    """Per seed, the last step of the record; () where it is not known."""
    signs: tuple[Mapping[str, Curve], ...] = ()
    """The diagnostics of every seed, where curves are asked for."""

    @property
    def key(self) -> Key:
        return self.recipe, self.task, self.task_version

    @property
    def tier(self) -> str:
        return self.shared.get("tier", "")

    @property
    def regime(self) -> str:
        return self.shared.get("regime") or "default"

    @property
    def suite(self) -> str:
        return self.shared.get("suite", "")

    @property
    def hyperparameters(self) -> str:
        return self.shared.get("hyperparameters") or "{}"

    @property
    def reached(self) -> int:
        """Seeds that reached the target."""
        return self.outcomes.count("reached")

    @property
    def solved(self) -> bool:
        """By the absolute gate: at least half of the seeds reached the target."""
        return 2 * self.reached >= len(self.seeds) > 0

    @property
    def median_steps(self) -> float:
        """Infinite where most seeds missed."""
        return median(self.steps)


def reference_cases() -> list[CaseSummary]:
    """The shipped reference table as cases: tuned references, without curves of all seeds."""
    return [of_baseline(row, source="reference table") for row in shipped_reference().values()]


def of_baseline(row: BaselineRow, *, source: str) -> CaseSummary:
    """A case of a baseline or of the reference table; it has the first seed's curve alone."""
    points = json.loads(row.curve)
    return CaseSummary(
        source=source,
        recipe=row.recipe,
        task=row.task,
        task_version=row.task_version,
        budget=row.budget,
        eval_every=row.eval_every,
        target=row.target,
        optimum=row.optimum,
        shared={name: str(getattr(row, name, "")) for name in SHARED},
        threads=row.threads,
        seeds=row.seeds,
        outcomes=row.outcomes,
        steps=row.steps_to_target,
        level_steps=tuple(tuple(map(steps_of, levels)) for levels in json.loads(row.level_steps)),
        initial=tuple(map(value_of, row.initial)),
        best=tuple(map(value_of, row.best)),
        final=(),
        curve=None,
        curves=(tuple((step, value_of(value)) for step, value in points),) if points else (),
    )


def value_of(value: float | None) -> float:
    """A value as it is stored, where null is no number."""
    return math.nan if value is None else float(value)


def steps_of(value: int | None) -> float:
    """Steps as they are stored, where null is a target that was not reached."""
    return math.inf if value is None else float(value)
