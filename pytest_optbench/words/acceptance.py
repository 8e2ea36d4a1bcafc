"""An acceptance: what a baseline takes over from results that are meant to differ from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.difference import first_difference, mismatch
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.evidence import Side
from pytest_optbench.words.fingerprint import difference, from_json
from pytest_optbench.words.stored import updated

Slot = tuple[str, str, str, str]
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """The baseline as it is to be, and a sentence for each row that is another one than before."""

    rows: tuple[BaselineRow, ...]
    sentences: tuple[str, ...]


def accept(stored: Sequence[BaselineRow], found: Sequence[BaselineRow], *, remove_gone: bool = False) -> Acceptance:
    """Take over the cases and fingerprints that differ from the stored ones.

    A row that still holds stays as it is, down to the versions it was measured with; so does what the results lack,
    unless it is to be removed: then a fingerprint goes too, if there are others among the results or nothing else of
    its recipe. Misses are taken over, as known misses. Raises OptbenchError for cases that crashed or timed out.
    """
    _require_unbroken(found)
    old = {_slot(row): row for row in sorted(stored, key=lambda row: row.place)}  # the last version of a task stays
    slots = set(map(_slot, found))
    taken = [row for row in found if (before := old.get(_slot(row))) is None or not _holds(before, row)]
    gone = [row for row in stored if remove_gone and _slot(row) not in slots and _is_gone(row, found)]
    told = [
        *((row.place, f"{_name(row)}: {_told(old.get(_slot(row)), row)}") for row in taken),
        *((row.place, f"{_name(row)}: removed") for row in gone),
    ]
    return Acceptance(
        rows=tuple(updated(stored, taken, gone={row.place for row in gone})),
        sentences=tuple(sentence for _, sentence in sorted(told)),
    )


def _slot(row: BaselineRow) -> Slot:
    """What a row stands for, whatever the version: a new version replaces the old one."""
    return row.kind, row.recipe, row.task, row.configuration


def _name(row: BaselineRow) -> str:
    if row.kind == "fingerprint":
        return f"fingerprint of {row.recipe} {row.configuration}"
    return f"{row.recipe} on {row.task}@{row.task_version}"


def _require_unbroken(found: Sequence[BaselineRow]) -> None:
    broken = [row for row in found if Side.of(row).broken]
    if broken:
        names = ", ".join(map(_name, broken[:_NAMED]))
        rest = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise OptbenchError(f"{names}{rest}: crashed or timed out, which no baseline takes over; nothing is written")


def _is_gone(row: BaselineRow, found: Sequence[BaselineRow]) -> bool:
    if row.kind == "case":
        return True
    return any(one.kind == row.kind for one in found) or all(one.recipe != row.recipe for one in found)


def _holds(before: BaselineRow, after: BaselineRow) -> bool:
    """Do the results say what is stored?"""
    if before.kind == "fingerprint":
        return before.place == after.place and not _moved(before, after)
    if mismatch(before, after) or first_difference(before, after) is not None:
        return False
    if before.seeds == after.seeds:
        return bool(before.trajectory_sha) and before.trajectory_sha == after.trajectory_sha
    return set(after.seeds) < set(before.seeds)


def _moved(before: BaselineRow, after: BaselineRow) -> str:
    return difference(
        from_json(after.fingerprint, where=f"results: {_name(after)}"),
        from_json(before.fingerprint, where=f"baseline: {_name(before)}"),
    )


def _told(before: BaselineRow | None, after: BaselineRow) -> str:
    if after.kind == "fingerprint":
        if before is None:
            return "new"
        return _moved(before, after) if before.place == after.place else "of another version of the script"
    side = Side.of(after)
    steps = f"{_steps(side.median_steps)} steps" if side.solved else f"{side.reached} of {side.seeds} seeds reach it"
    miss = "" if side.solved else ", a known miss from now on"
    if before is None:
        return f"new, {steps}{miss}"
    reason = mismatch(before, after)
    return f"{steps}, {_steps(before.median_steps)} before{miss}{f' ({reason})' if reason else ''}"


def _steps(median: float) -> str:
    return f"{median:.0f}" if math.isfinite(median) else "no"
