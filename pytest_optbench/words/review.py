"""A review: what results say as a whole, against a baseline or without one, and which of it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.comparison import Change as Word
from pytest_optbench.words.comparison import Comparison, compare_tables, failure
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.finding import Finding
from pytest_optbench.words.fingerprint import Change, changes
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.results import Results

WORDS: tuple[Word, ...] = get_args(Word)
_SEVERITY: tuple[Word, ...] = ("slower", "incomparable", "gone", "faster", "changed", "new", "unchanged")
BROKEN = ("failed", "xpassed", "timeout", "crashed")
"""The outcomes of a check that fail."""


@dataclass(frozen=True, kw_only=True)
class ReviewedCase:
    """A comparison and why it fails; empty where it does not."""

    comparison: Comparison
    failure: str = ""

    @property
    def rank(self) -> tuple[bool, int, tuple[str, str, int]]:
        """What fails first, then the worst change."""
        return not self.failure, _SEVERITY.index(self.comparison.change), self.comparison.key


@dataclass(frozen=True, kw_only=True)
class Review:
    """Cases, the worst ones first; fingerprints that are not as stored; findings of the contract."""

    cases: tuple[ReviewedCase, ...]
    fingerprints: tuple[Change, ...] = ()
    fingerprints_fail: bool = False
    fingerprints_compared: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Cases by change, in the order of the words."""
        found = Counter(case.comparison.change for case in self.cases)
        return {word: found[word] for word in WORDS}

    @property
    def failed_cases(self) -> tuple[ReviewedCase, ...]:
        return tuple(case for case in self.cases if case.failure)

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.outcome in BROKEN)

    @property
    def failed_fingerprints(self) -> tuple[Change, ...]:
        return self.fingerprints if self.fingerprints_fail else ()

    @property
    def shown_fingerprints(self) -> tuple[Change, ...]:
        """Those that are told, and fail nothing."""
        return () if self.fingerprints_fail else self.fingerprints

    @property
    def measured(self) -> bool:
        """Is there anything to look at? What measured nothing did not pass."""
        return bool(self.cases or self.findings or self.fingerprints_compared)

    @property
    def passed(self) -> bool:
        return self.measured and not (self.failed_cases or self.failed_fingerprints or self.broken)

    @property
    def environment(self) -> tuple[tuple[str, str, str], ...]:
        """Name, value before and value now of whatever differs in versions and machine, each once."""
        return tuple(sorted({one for case in self.cases for one in case.comparison.environment}))


def reviewed(comparisons: Iterable[Comparison], *, fail_on: frozenset[str], full: bool) -> tuple[ReviewedCase, ...]:
    """The comparisons with why they fail, the worst ones first."""
    cases = [ReviewedCase(comparison=one, failure=failure(one, fail_on, full=full) or "") for one in comparisons]
    return tuple(sorted(cases, key=lambda case: case.rank))


def review(
    before: Results, after: Results, *, alpha: float, tolerance: float, fail_on: frozenset[str], full: bool = True
) -> Review:
    """Compare two files. A recipe's alpha is shared by as many tests as it has cases in either, 128 at least.

    A configuration whose fingerprint only one of the files has is not compared. Raises OptbenchError where there is
    nothing to compare, and as `compare` does.
    """
    places: dict[str, set[str]] = {}
    for row in (*before.cases, *after.cases):
        places.setdefault(row.recipe, set()).add(row.task)
    gates = {name: Gate(alpha=alpha, tolerance=tolerance, tasks=len(tasks)) for name, tasks in places.items()}
    both = {_configuration(row) for row in before.fingerprints} & {_configuration(row) for row in after.fingerprints}
    if not places and not both:
        raise OptbenchError(f"{before.where} and {after.where}: no case and no common fingerprint to compare")
    found = changes(
        [row for row in after.fingerprints if _configuration(row) in both], before.fingerprints, where=before.where
    )
    comparisons = compare_tables(
        before.rows, after.rows, gates, full=full, same_fingerprint=_same_fingerprints(before, after, found)
    )
    return Review(
        cases=reviewed(comparisons, fail_on=fail_on, full=full),
        fingerprints=tuple(found),
        fingerprints_fail="fingerprint" in fail_on,
        fingerprints_compared=len(both),
    )


def _configuration(row: BaselineRow) -> tuple[str, str]:
    return row.recipe, row.configuration


def _same_fingerprints(before: Results, after: Results, found: Sequence[Change]) -> dict[str, bool]:
    """By recipe, are there the same configurations on both sides, with the same fingerprints?"""
    old, new = ({_configuration(row) for row in side.fingerprints} for side in (before, after))
    moved = {one.recipe for one in found}
    unequal = moved | {recipe for recipe, _ in old ^ new}
    return {recipe: recipe not in unequal for recipe, _ in old | new}
