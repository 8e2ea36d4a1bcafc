"""Boards: entries ranked by their scores, one board for each suite, regime and tier, with intervals by bootstrap.

An interval is what 95 % of 1000 bootstrap replicates hold (percentiles; Efron 1979). A replicate draws as many tasks
as there are, with replacement, and in each as many seeds as it has, with replacement: tasks are strata, as in rliable
(Agarwal et al. 2021, arXiv 2108.13264), and are drawn, too, since another choice of tasks would be as good. Every entry
is given the same draws, so that what all find hard leaves ranks alone. The draws come from a fixed seed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.categories import ALL, CATEGORIES, OTHER, TaskFacts, category_of
from pytest_optbench.analysis.entries import Entry
from pytest_optbench.analysis.score import Scored, relative_scores

REPLICATES = 1000
SEED = 20260101
TIERS = ("unit", "small", "full")
REGIMES = ("default", "fixed", "tuned")


@dataclass(frozen=True, kw_only=True)
class Place:
    """An entry in a ranking. `rank` counts from 1; entries of one score share it."""

    entry: Entry
    rank: int
    rank_low: int
    rank_high: int
    score: float
    low: float
    high: float
    solved: int | None
    """Tasks; None where no task has a target."""
    tasks: int
    seeds: tuple[int, int]
    """The least and the most of a case."""
    speed_up: float
    """Median over tasks; NaN where it is not known. The same for the others."""
    breadth: float
    step_ratio: float
    state_bytes: float


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """An entry that lacks tasks of a ranking, and so has no place in it."""

    entry: Entry
    tasks: int
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One category of a board."""

    category: str
    tasks: tuple[str, ...]
    places: tuple[Place, ...]
    incomplete: tuple[Incomplete, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """What may be compared with each other: one tier of one suite in one regime."""

    suite: str
    regime: str
    tier: str
    rankings: tuple[Ranking, ...]

    @property
    def title(self) -> str:
        return f"{self.tier} tier, {self.regime} hyperparameters, {self.suite}"


def boards(entries: Sequence[Entry], *, tasks: Mapping[str, TaskFacts]) -> list[Board]:
    """All boards of the entries. `tasks` are those that an entry must have to be complete, by name."""
    groups: dict[tuple[str, int, int], dict[tuple[str, ...], Entry]] = {}
    for entry in entries:
        for case in entry.cases.values():
            tier = TIERS.index(case.tier) if case.tier in TIERS else len(TIERS)
            regime = REGIMES.index(entry.regime) if entry.regime in REGIMES else len(REGIMES)
            groups.setdefault((entry.suite, -regime, tier), {})[entry.key] = entry
    found = []
    for (suite, _, tier), some in sorted(groups.items()):
        name = TIERS[tier] if tier < len(TIERS) else OTHER
        own = list(some.values())
        scopes = _scopes(own, name, tasks)
        rankings = tuple(_ranking(category, names, own) for category, names in scopes.items())
        found.append(Board(suite=suite, regime=own[0].regime, tier=name, rankings=rankings))
    return found


def _scopes(entries: Iterable[Entry], tier: str, tasks: Mapping[str, TaskFacts]) -> dict[str, list[str]]:
    """The tasks of every category: those of the suite, and under `other` those that only the entries know."""
    known = [name for name, facts in tasks.items() if facts.tier == tier]
    strange = {name for entry in entries for name, case in entry.cases.items() if name not in tasks}
    strange = {name for name in strange if any(_tier_of(entry, name) == tier for entry in entries)}
    found = {ALL: known} if known else {}
    for category in (*CATEGORIES, OTHER):
        names = [name for name in known if category_of(name, tasks) == category]
        names += sorted(strange) if category == OTHER else []
        if names:
            found[category] = names
    return found


def _tier_of(entry: Entry, task: str) -> str:
    case = entry.cases.get(task)
    return "" if case is None else case.tier if case.tier in TIERS else OTHER


def _ranking(category: str, names: Sequence[str], entries: Sequence[Entry]) -> Ranking:
    missing = {entry.key: tuple(name for name in names if name not in entry.cases) for entry in entries}
    complete = [entry for entry in entries if not missing[entry.key]]
    incomplete = [entry for entry in entries if 0 < len(missing[entry.key]) < len(names)]
    return Ranking(
        category=category,
        tasks=tuple(names),
        places=_places(names, complete) if complete else (),
        incomplete=tuple(
            Incomplete(entry=entry, tasks=len(names) - len(missing[entry.key]), missing=missing[entry.key])
            for entry in sorted(incomplete, key=lambda entry: (len(missing[entry.key]), entry.key))
        ),
    )


def _places(names: Sequence[str], entries: Sequence[Entry]) -> tuple[Place, ...]:
    table = [_task_scores([entry.cases[name] for entry in entries]) for name in names]
    points = np.array([[own.mean() for own in row] for row in table]).mean(axis=0)
    drawn = _replicates(names, table)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
    # Rounded, so that the order of a sum does not tell two equal scores apart.
    ranks = 1 + (drawn[None].round(9) > drawn[:, None].round(9)).sum(axis=1)
    best, worst = np.quantile(ranks, (0.025, 0.975), axis=1, method="nearest")
    rank = 1 + (points[None].round(9) > points[:, None].round(9)).sum(axis=1)
    order = sorted(range(len(entries)), key=lambda k: (rank[k], entries[k].key))
    return tuple(
        _place(
            entries[k],
            [entries[k].cases[name] for name in names],
            (int(rank[k]), min(int(best[k]), int(rank[k])), max(int(worst[k]), int(rank[k]))),
            (float(points[k]), float(low[k]), float(high[k])),
        )
        for k in order
    )


def _task_scores(cases: Sequence[Scored]) -> list[NDArray[np.float64]]:
    """The scores of every entry's seeds on one task."""
    if any(case.scores is None for case in cases):
        return relative_scores(cases)
    return [case.scores for case in cases if case.scores is not None]


def _replicates(names: Sequence[str], table: Sequence[Sequence[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Mean scores (entries, replicates); the seeds of a task are drawn alike for all entries with as many."""
    tasks = np.empty((len(names), len(table[0]), REPLICATES), dtype=np.float32)
    for name, row, out in zip(names, table, tasks, strict=True):
        for count in {len(own) for own in row}:
            generator = np.random.default_rng((SEED, zlib.crc32(name.encode()), count))
            weights = generator.multinomial(count, np.full(count, 1 / count), size=REPLICATES) / count
            some = [k for k, own in enumerate(row) if len(own) == count]
            out[some] = np.stack([row[k] for k in some]) @ weights.T
    drawn = np.random.default_rng(SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), size=REPLICATES)
    found: NDArray[np.float64] = np.einsum("teb,bt->eb", tasks, drawn / len(names))
    return found


def _place(
    entry: Entry, cases: Sequence[Scored], rank: tuple[int, int, int], score: tuple[float, float, float]
) -> Place:
    judged = [case for case in cases if case.scores is not None]
    return Place(
        entry=entry,
        rank=rank[0],
        rank_low=rank[1],
        rank_high=rank[2],
        score=score[0],
        low=min(score[:2]),
        high=max(score[0], score[2]),
        solved=sum(case.solved for case in judged) if judged else None,
        tasks=len(cases),
        seeds=(min(case.seeds for case in cases), max(case.seeds for case in cases)),
        speed_up=middle([case.speed_up for case in judged]),
        breadth=middle([case.breadth for case in cases]),
        step_ratio=middle([case.step_ratio for case in cases]),
        state_bytes=middle([case.state_bytes for case in cases]),
    )


def middle(values: Iterable[float]) -> float:
    """The median of what is known; NaN where nothing is."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan
