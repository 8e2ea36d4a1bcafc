"""A review as lines for a terminal, and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pytest_optbench.report.figures import counts, figures, verdict
from pytest_optbench.report.inert import LONGEST_NAME, one_line
from pytest_optbench.report.terminal import Line, wrapped
from pytest_optbench.words.review import Review, ReviewedCase

JSON_SCHEMA = 1
_HEADER = ("", "change", "recipe", "task", "steps before", "steps now", "ratio [95 %]", "seeds", "p")
_RIGHT = frozenset({"steps before", "steps now", "seeds", "p"})
_QUIET = frozenset({"unchanged", "new"})


def comparison_lines(review: Review, *, width: int = 80) -> list[Line]:
    """A line for each case that moved or fails, why, how many there are of each kind, and the verdict."""
    loud = [case for case in review.cases if case.failure or case.comparison.change not in _QUIET]
    lines = _table(loud)
    for case in loud:
        one = case.comparison
        text = f"{_name(one.recipe)} on {_name(one.task)}: {one_line(case.failure or one.reason)}"
        lines += wrapped(text, width, **_markup(case))
    for change in review.fingerprints:
        text = f"fingerprint of {_name(change.recipe)} {_name(change.configuration)}: {one_line(change.sentence)}"
        lines += wrapped(text, width, **({"red": True} if review.fingerprints_fail else {"yellow": True}))
    if review.environment:
        told = (f"{_name(name)} {_name(old) or '?'} -> {_name(new) or '?'}" for name, old, new in review.environment)
        lines += wrapped(f"another environment: {', '.join(told)}", width)
    lines += wrapped(counts(review), width)
    return [*lines, *wrapped(verdict(review), width, bold=True, **{"green" if review.passed else "red": True})]


def _table(cases: Sequence[ReviewedCase]) -> list[Line]:
    if not cases:
        return []
    rows: list[Sequence[str]] = [_HEADER]
    for case in cases:
        told = figures(case.comparison)
        names = _name(case.comparison.recipe), _name(case.comparison.task)
        rows.append(("FAILED" if case.failure else "", told["change"], *names, *(told[key] for key in _HEADER[4:])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    markups: list[Mapping[str, bool]] = [{"bold": True}, *map(_markup, cases)]
    return [Line(_joined(row, widths), markup) for row, markup in zip(rows, markups, strict=True)] + [Line("")]


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(_HEADER, row, widths, strict=True)
    return "  ".join(
        text.rjust(size) if name in _RIGHT else text.ljust(size) for name, text, size in cells if size
    ).rstrip()


def _markup(case: ReviewedCase) -> dict[str, bool]:
    if case.failure:
        return {"red": True}
    return {"green": True} if case.comparison.change == "faster" else {"yellow": True}


def _name(text: str) -> str:
    return one_line(text, longest=LONGEST_NAME)


def to_json(review: Review) -> str:
    """The review as one JSON object; infinite numbers are the text "inf"."""
    cases = [
        {"failure": case.failure, **asdict(case.comparison), "p_value": evidence.p_value if evidence else None}
        for case in review.cases
        for evidence in [case.comparison.evidence]
    ]
    document = {
        "schema": JSON_SCHEMA,
        "passed": review.passed,
        "verdict": verdict(review),
        "counts": review.counts,
        "cases": cases,
        "fingerprints": [asdict(change) for change in review.fingerprints],
        "fingerprints_fail": review.fingerprints_fail,
        "findings": [asdict(finding) for finding in review.findings],
    }
    return json.dumps(_strict(document), indent=2, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    """The same without what JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _strict(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(one) for one in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
