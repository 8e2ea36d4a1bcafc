"""Entries of a leaderboard: one recipe of one file, with all its cases; what must not be mixed is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_optbench.analysis.cases import CaseSummary
from pytest_optbench.analysis.categories import TaskFacts
from pytest_optbench.analysis.score import Scored, scored
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recipe of one file, in one regime of one suite."""

    recipe: str
    optimizer: str
    version: str
    """Of the package that provides the optimizer."""
    suite: str
    regime: str
    source: str
    cases: Mapping[str, Scored]
    """By task."""

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from every other entry of a leaderboard."""
        return self.recipe, self.optimizer, self.version, self.suite, self.regime, self.source


def entries_of(
    cases: Iterable[CaseSummary],
    *,
    tasks: Mapping[str, TaskFacts],
    thresholds: Mapping[tuple[str, int], Threshold],
) -> list[Entry]:
    """The entries of a stream of cases, in the order of their first cases; a case is forgotten once it is scored.

    What a test compared its own recipe with (its name has a slash) is no entry. Raises OptbenchError for a case of
    another version, target or budget than the suite's, or, of a task that the suite does not know, than another case's.
    """
    found: dict[tuple[str, ...], dict[str, Scored]] = {}
    seen: dict[str, CaseSummary] = {}
    for case in cases:
        if "/" in case.recipe:
            continue
        threshold = thresholds.get((case.task, case.task_version))
        own = tasks.get(case.task, TaskFacts(case.task_version, case.tier, frozenset()))
        _require_version(case, own)
        if threshold is not None:
            _require_same(case, threshold.target, threshold.budget, "the suite")
        else:
            first = seen.setdefault(case.task, case)
            _require_version(case, TaskFacts(first.task_version, first.tier, frozenset()))
            _require_same(case, first.target, first.budget, f"{first.source}")
        key = (
            *(case.recipe, case.shared.get("optimizer", ""), case.shared.get("optimizer_version", "")),
            *(case.suite, case.regime, case.source),
        )
        found.setdefault(key, {})[case.task] = scored(case, threshold, tier=own.tier)
    return [
        Entry(recipe=key[0], optimizer=key[1], version=key[2], suite=key[3], regime=key[4], source=key[5], cases=own)
        for key, own in found.items()
    ]


def _require_version(case: CaseSummary, facts: TaskFacts) -> None:
    if case.task_version != facts.version:
        raise OptbenchError(
            f"{case.source}: {case.recipe} on {case.task}@{case.task_version}, and this leaderboard is of "
            f"{case.task}@{facts.version}; results of different versions are never compared: run it again"
        )


def _require_same(case: CaseSummary, target: float, budget: int, where: str) -> None:
    for name, own, theirs in (("target", case.target, target), ("budget", case.budget, budget)):
        if own != theirs:
            raise OptbenchError(
                f"{case.source}: {case.recipe} on {case.task}@{case.task_version} has the {name} {own:g}, and {where} "
                f"has {theirs:g}; these cannot be compared: run it again"
            )
