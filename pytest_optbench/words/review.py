"""A review: what results say as a whole, against a baseline or without one, and which of it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.comparison import Change as Word
from pytest_optbench.words.comparison import Comparison, compare, compare_tables, failure
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.finding import Finding
from pytest_optbench.words.fingerprint import Change, changes
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, FAIL_ON, Gate
from pytest_optbench.words.results import Results
from pytest_optbench.words.run import Run
from pytest_optbench.words.stored import Place, Stored
from pytest_optbench.words.table import case_rows

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
    others_failed: bool = False
    """Did the session fail by what is none of these: a test's own assertion, an error of collection?"""

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
        return self.measured and not (self.failed or self.others_failed)

    @property
    def failed(self) -> bool:
        """Does anything of this fail?"""
        return bool(self.failed_cases or self.failed_fingerprints or self.broken)

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


def review_session(
    runs: Iterable[Run],
    *,
    before: Sequence[BaselineRow] = (),
    gone: Collection[Place] = (),
    gates: Mapping[str, Gate] | None = None,
    fail_on: frozenset[str] = DEFAULT_FAIL_ON,
    findings: Sequence[Finding] = (),
    fingerprints: Sequence[Change] = (),
    fingerprints_compared: int = 0,
    others_failed: bool = False,
) -> Review:
    """Review what a session measured, whose items have ruled already.

    The columns `verdict` and `change` of the runs are taken at their word, so that the summary never contradicts the
    outcome of a test; the figures are made anew. `before` is the baseline, `gone` the places in it that are known to be
    gone.
    """
    groups = {key: group for key, group in case_rows(runs).items() if "/" not in key[0]}
    stored = Stored("", tuple(before))
    cases = []
    for key, group in groups.items():
        (after,) = from_runs(group)
        comparison = _compared(stored.case(key), after, (gates or {}).get(key[0], Gate()), group[0].change)
        cases.append(ReviewedCase(comparison=comparison, failure=_ruled(comparison, group[0].verdict)))
    for row in before:
        if row.kind == "case" and row.place in gone:
            comparison = compare(row, None, Gate())
            cases.append(ReviewedCase(comparison=comparison, failure=failure(comparison, fail_on, full=True) or ""))
    return Review(
        cases=tuple(sorted(cases, key=lambda case: case.rank)),
        fingerprints=tuple(fingerprints),
        fingerprints_fail="fingerprint" in fail_on,
        fingerprints_compared=fingerprints_compared,
        findings=tuple(findings),
        others_failed=others_failed,
    )


def _compared(before: BaselineRow | None, after: BaselineRow, gate: Gate, word: str) -> Comparison:
    """The comparison under the word that the session found; what cannot be compared keeps the sentence why."""
    try:
        found = compare(before, after, gate)
    except OptbenchError as error:
        found = replace(compare(None, after, gate), reason=str(error))
    return replace(found, change=next((one for one in WORDS if one == word), found.change))


def _ruled(comparison: Comparison, verdict: str) -> str:
    """Why a case failed that is known to have failed; empty where it did not."""
    if verdict != "failed":
        return ""
    after = comparison.after
    told = failure(comparison, frozenset(FAIL_ON), full=True)
    if told is None and after is not None and after.solved:
        return "reaches the target, and fails: declared as an expected failure, or by an assertion of its test"
    return told or comparison.reason


def _configuration(row: BaselineRow) -> tuple[str, str]:
    return row.recipe, row.configuration


def _same_fingerprints(before: Results, after: Results, found: Sequence[Change]) -> dict[str, bool]:
    """By recipe, are there the same configurations on both sides, with the same fingerprints?"""
    old, new = ({_configuration(row) for row in side.fingerprints} for side in (before, after))
    moved = {one.recipe for one in found}
    unequal = moved | {recipe for recipe, _ in old ^ new}
    return {recipe: recipe not in unequal for recipe, _ in old | new}
