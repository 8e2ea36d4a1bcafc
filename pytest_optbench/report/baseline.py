"""The baseline's part of the summary: fingerprints beside the stored ones, and what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_optbench.report.terminal import Line, wrapped
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.evidence import Side


@dataclass(frozen=True)
class Fingerprinted:
    """The fingerprint of one configuration, and how it differs from the stored one; empty where it does not."""

    row: BaselineRow
    sentence: str


@dataclass(frozen=True)
class Saved:
    """What came of saving to a file."""

    path: str
    rows: tuple[BaselineRow, ...] = ()
    removed: int = 0
    refused: tuple[str, ...] = ()
    """Cases that no baseline holds, with the reason."""
    broken: int = 0
    """Checks of the contract that do not hold."""
    named: bool = True
    """Does the project name its baseline?"""
    error: str = ""
    """Why nothing was saved."""

    @property
    def complete(self) -> bool:
        return not (self.error or self.refused or self.broken)


def fingerprint_lines(found: Sequence[Fingerprinted], *, label: str, width: int) -> list[Line]:
    """What differs, each in full, and a count of what does not."""
    changed = [one for one in found if one.sentence]
    lines = [line for one in changed for line in wrapped(one.sentence, width, yellow=True)]
    same = len(found) - len(changed)
    if label and same:
        lines += wrapped(f"{same} fingerprint{'' if same == 1 else 's'} as in {label}", width, green=True)
    return lines


def saved_lines(saved: Saved, *, width: int) -> list[Line]:
    """What the file has now, which misses are known from now on, and what it was not given."""
    if saved.error:
        return wrapped(f"nothing saved to {saved.path}: {saved.error}", width, red=True)
    cases = [row for row in saved.rows if row.kind == "case"]
    counts = [_count(len(cases), "case"), _count(len(saved.rows) - len(cases), "fingerprint")]
    counts += [f"{_count(saved.removed, 'row')} removed"] if saved.removed else []
    lines = wrapped(f"saved to {saved.path}: {', '.join(counts)}", width, bold=True)
    misses = [f"{row.recipe} on {row.task}" for row in cases if not Side.of(row).solved]
    if misses:
        lines += wrapped(f"known misses from now on: {', '.join(misses)}", width, yellow=True)
    if saved.refused:
        lines += wrapped(f"not saved, as no baseline excuses it: {', '.join(saved.refused)}", width, red=True)
    if saved.broken:
        lines += wrapped(
            f"{_count(saved.broken, 'failed check')} of the contract: no baseline excuses one; "
            "mend it, or declare it in expected_failures",
            width,
            red=True,
        )
    if not saved.named:
        lines += wrapped(f'to compare with it, write baseline = "{saved.path}" into the table', width)
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
