"""Admission, as data: what each rule said of each task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_optbench.words.sheet import Sheet, column

SCHEMA = 1
KNOB = "knob "
"""Before the name of the knob in the name of a rule."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule says of one task."""

    schema: int = column("version of this table's columns", default=SCHEMA)
    task: str = column("name of the task", required=True)
    task_version: int = column("version of the task", required=True)
    rule: str = column(
        "name of the rule; threshold where there is none to judge by, run where it could not be asked", required=True
    )
    outcome: str = column("passed or failed", required=True)
    figure: str = column("what was seen, in short: a count of seeds, a value, an error, median steps", default="")
    sentence: str = column("what was seen, and what was expected", default="")

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


_SHEET = Sheet(Finding, noun="table of admission", schema=SCHEMA, key=lambda finding: (finding.task, finding.rule))


def to_csv(findings: Iterable[Finding]) -> str:
    """The findings as CSV text, sorted by task and rule."""
    return _SHEET.to_csv(findings)


def from_csv(text: str, *, where: str) -> list[Finding]:
    """The findings of a CSV text. Raises OptbenchError, with `where`, line and column, for anything unreadable."""
    return _SHEET.from_csv(text, where=where)
