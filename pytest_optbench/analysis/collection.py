"""A collection: what figures need of the cases of one or more tables, gathered in a pass and a second one for curves.

Of every case the steps of its seeds are kept, which is a kilobyte or two; curves and diagnostics only of the entries
that are told apart by colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.bands import Band
from pytest_optbench.analysis.cases import CaseSummary, reference_cases
from pytest_optbench.analysis.histograms import Histogram
from pytest_optbench.analysis.rates import Tried, tried
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.words.errors import require_known
from pytest_optbench.words.standing import SEVERAL_GRADIENTS
from pytest_optbench.words.threshold import shipped_thresholds

Floats = NDArray[np.float64]
TaskKey = tuple[str, int]
"""Name and version: results of different versions are never compared."""

SHOWN = 7
"""Entries that are told apart by colour; further ones are grey."""
NOT_DRAWN = frozenset(
    {"examples", "metrics", "unhealthy", "tuned", "torch", "numpy", "python", "platform", "cpu", "device", "dtype"}
    | {"git_sha", "timestamp", "trajectory_sha", "step_ms", "gradient_ms", "state_bytes_per_param", "peak_bytes"}
    | {"engine", "engine_reason", "verdict", "level", "change", "p_value", "ratio", "ratio_low", "ratio_high"}
    | {"optimizer_version", "threads", "final"}
)
"""Columns that no figure shows."""
REFERENCES = "reference table"
"""Where entries come from that are shipped."""


@dataclass(frozen=True)
class Entry:
    """What one line of a figure stands for: a recipe in one table, one suite and one regime, which are never mixed."""

    source: str
    recipe: str
    suite: str
    regime: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of every case. Arrays have an element per seed, in ascending order of `seeds`."""

    tier: str
    budget: int
    seeds: NDArray[np.int64]
    steps: Floats
    """To the target, infinite where it was not reached."""
    levels: Floats
    """Steps to each level that the records show, as an array of (seed, level)."""

    @property
    def median_steps(self) -> float:
        """Infinite where most seeds missed."""
        return float(np.median(self.steps)) if np.isfinite(self.steps).any() else math.inf


@dataclass(frozen=True)
class Drawn:
    """A case as it is drawn in figures of curves."""

    tier: str
    budget: int
    eval_every: int
    target: float
    optimum: float | None
    seeds: int
    curve: Band


@dataclass
class Collection:
    """What the cases of all tables amount to."""

    cases: dict[Entry, dict[TaskKey, Kept]] = field(default_factory=dict)
    tried: dict[Entry, dict[TaskKey, Tried]] = field(default_factory=dict)
    drawn: dict[TaskKey, dict[Entry, Drawn]] = field(default_factory=dict)
    histograms: dict[str, dict[Entry, Histogram]] = field(default_factory=dict)
    several_gradients: set[Entry] = field(default_factory=set)
    """Entries that evaluate more than one gradient a step."""

    @property
    def entries(self) -> list[Entry]:
        return list(self.cases)

    @cached_property
    def references(self) -> Mapping[TaskKey, Mapping[str, Kept]]:
        """The shipped references by task."""
        found: dict[TaskKey, dict[str, Kept]] = {}
        for case in reference_cases():
            found.setdefault((case.task, case.task_version), {})[case.recipe] = kept(case)
        return found

    @cached_property
    def ranked(self) -> list[Entry]:
        """The entries from the best score on; where scores are equal, in the order of the tables.

        Those come last that were run on less than half as many tasks as the entry with the most.
        """
        most = max((len(cases) for cases in self.cases.values()), default=0)
        return sorted(self.entries, key=lambda one: (2 * len(self.cases[one]) >= most, self.score(one)), reverse=True)

    @property
    def shown(self) -> list[Entry]:
        """The best ones, as many as can be told apart, in the order of the tables."""
        best = set(self.ranked[:SHOWN])
        return [entry for entry in self.entries if entry in best]

    @property
    def hidden(self) -> list[Entry]:
        return [entry for entry in self.entries if entry not in set(self.shown)]

    def score(self, entry: Entry) -> float:
        """Mean over tasks of the steps of the best reference by its own, at most 1; 0 for a miss.

        A task without a reference counts 1 if it is solved.
        """
        scores = []
        for key, case in self.cases[entry].items():
            own, best = case.median_steps, self.best_reference(key)
            scores.append(0.0 if math.isinf(own) else min(1.0, best / max(own, 1.0)) if math.isfinite(best) else 1.0)
        return float(np.mean(scores))

    def best_reference(self, key: TaskKey) -> float:
        """The least median steps of a reference; infinite where none solves the task, or there is none."""
        return min((case.median_steps for case in self.measures(key)), default=math.inf)

    def measures(self, key: TaskKey) -> list[Kept]:
        """The references that the steps on a task are measured by: those that evaluate one gradient a step."""
        return [case for name, case in self.references.get(key, {}).items() if name not in SEVERAL_GRADIENTS]

    def tasks(self, entries: Iterable[Entry] | None = None) -> list[TaskKey]:
        """Every task of the entries, in the order of the tables."""
        return list(dict.fromkeys(key for entry in entries or self.entries for key in self.cases[entry]))

    def same_tasks(self, entries: Sequence[Entry]) -> bool:
        """Were all of them run on the same tasks?"""
        return len({frozenset(self.cases[entry]) for entry in entries}) <= 1

    @property
    def labels(self) -> dict[Entry, str]:
        return labels(self.entries)


def collect(paths: Sequence[Path], *, references: Sequence[str] = (), curves: bool = True) -> Collection:
    """Read runs tables, and of the shipped reference table some references on the same tasks as further entries ("all"
    for all).

    `curves` says whether curves and diagnostics are wanted. Raises OptbenchError as `read_cases` does, and for an
    unknown reference.
    """
    found = Collection()
    for case in read_cases(paths, skip={*NOT_DRAWN, "curve", "diagnostics"}):
        _take(found, case)
    tasks = set(found.tasks())
    for case in _references(references):
        if (case.task, case.task_version) in tasks:
            _take(found, case)
    shown = set(found.shown)
    if curves:
        names = {entry.recipe for entry in shown if entry.source != REFERENCES}
        for case in read_cases(paths, skip=NOT_DRAWN, curves=True, recipes=names):
            if entry_of(case) in shown:
                _take_curves(found, case)
    return found


def _references(names: Sequence[str]) -> Iterator[CaseSummary]:
    cases = reference_cases()
    valid = dict.fromkeys(case.recipe for case in cases)
    for name in names:
        require_known(name, [*valid, "all"], where="--references", what="reference")
    return (case for case in cases if "all" in names or case.recipe in names)


def entry_of(case: CaseSummary) -> Entry:
    return Entry(case.source, case.recipe, case.suite, case.regime)


def _take(found: Collection, case: CaseSummary) -> None:
    entry, key = entry_of(case), (case.task, case.task_version)
    found.cases.setdefault(entry, {})[key] = kept(case)
    if case.medians.get("evaluations", 1.0) > 1 or (case.source == REFERENCES and case.recipe in SEVERAL_GRADIENTS):
        found.several_gradients.add(entry)
    rates = tried(case)
    if rates is not None:
        found.tried.setdefault(entry, {})[key] = rates


def _take_curves(found: Collection, case: CaseSummary) -> None:
    entry, key = entry_of(case), (case.task, case.task_version)
    if case.curve is not None:
        found.drawn.setdefault(key, {})[entry] = Drawn(
            case.tier, case.budget, case.eval_every, case.target, case.optimum, len(case.seeds), case.curve
        )
    for signs in case.signs:
        for name, curve in signs.items():
            values = np.array([value for _, value in curve], dtype=float)
            if name == "gradient_norm":
                values = relative(values)
            found.histograms.setdefault(name, {}).setdefault(entry, Histogram()).add(values)


def relative(values: Floats) -> Floats:
    """The values by the first of them that is finite and not 0, as the range of a gradient's norm is defined."""
    sound = values[np.isfinite(values) & (values != 0)]
    return values / sound[0] if len(sound) else values


def kept(case: CaseSummary) -> Kept:
    return Kept(
        tier=case.tier,
        budget=case.budget,
        seeds=np.array(case.seeds, dtype=np.int64),
        steps=np.array(case.steps, dtype=float),
        levels=levels_shown(case),
    )


def levels_shown(case: CaseSummary) -> Floats:
    """Steps to each level that the case's records show, as an array of (seed, level), infinite where not reached.

    A record ends at the target unless it goes on to the budget: it then shows nothing of harder levels. They are there
    only where no record of a run that reached the target ends early. A task that is unknown, or has another target
    than the shipped one, has the target as its only level.
    """
    alone = np.array(case.steps, dtype=float)[:, None]
    threshold = shipped_thresholds().get((case.task, case.task_version))
    count = len(threshold.levels) if threshold else 0
    if threshold is None or threshold.target != case.target or any(len(one) != count for one in case.level_steps):
        return alone
    if not case.level_steps:
        return alone
    whole = bool(case.ends) and all(
        end + case.eval_every > case.budget or outcome != "reached"
        for end, outcome in zip(case.ends, case.outcomes, strict=True)
    )
    shown = count if whole else sum(level >= threshold.target for level in threshold.levels)
    return np.array([one[:shown] for one in case.level_steps], dtype=float)


def labels(entries: Sequence[Entry]) -> dict[Entry, str]:
    """What entries are called: the recipe, with as much of the table, the suite and the regime as tells them apart.

    A regime or a suite is named for all entries as soon as there are two.
    """
    several = {name: len({getattr(entry, name) for entry in entries}) > 1 for name in ("suite", "regime")}
    sources: dict[str, set[str]] = {}
    for entry in entries:
        sources.setdefault(entry.recipe, set()).add(entry.source)
    found = {}
    for entry in entries:
        notes = [getattr(entry, name) for name in ("regime", "suite") if several[name]]
        if entry.source == REFERENCES:
            notes.insert(0, "reference")
        elif len(sources[entry.recipe]) > 1:
            notes.insert(0, _stem(entry.source, sources[entry.recipe]))
        found[entry] = f"{entry.recipe} ({', '.join(notes)})" if notes else entry.recipe
    return found


def _stem(source: str, among: Iterable[str]) -> str:
    """The name of a file without what follows its first dot; the path where files share that name."""
    stems = [Path(one).name.partition(".")[0] for one in among]
    stem = Path(source).name.partition(".")[0]
    return stem if stems.count(stem) == 1 else source
