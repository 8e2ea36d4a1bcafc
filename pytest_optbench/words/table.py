"""The runs table: CSV in, CSV out; sorted, atomic, exact, harmless when opened in a spreadsheet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pytest_optbench.words.run import COLUMNS, SCHEMA, VOLATILE, Run
from pytest_optbench.words.sheet import Sheet

LASTING: tuple[str, ...] = tuple(name for name in COLUMNS if name not in VOLATILE)
"""The columns in which two runs of the same code agree."""


def run_key(run: Run) -> tuple[str, str, int, int, str, int]:
    """What tells a run from every other one of a session; trials of tuning differ in their hyperparameters, too."""
    return run.recipe, run.task, run.task_version, run.trial, run.hyperparameters if run.trial else "", run.seed


_SHEET = Sheet(Run, noun="runs table", schema=SCHEMA, key=run_key)


def to_csv(runs: Iterable[Run]) -> str:
    """The runs as CSV text, sorted by recipe, task, version and seed. Numbers round-trip exactly (`repr`)."""
    return _SHEET.to_csv(runs)


def from_csv(text: str, *, where: str) -> list[Run]:
    """The runs of a CSV text. Raises OptbenchError, with `where`, line and column, for anything unreadable."""
    return _SHEET.from_csv(text, where=where)


def numbered(text: str, *, where: str) -> list[tuple[int, Run]]:
    """The runs of a CSV text, each with the line it ends in, counted from 1. Raises as `from_csv` does."""
    return _SHEET.numbered(text, where=where)


def read_runs(path: Path) -> list[Run]:
    """The runs of a CSV file; OptbenchError when it cannot be read."""
    return _SHEET.read(path)


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` with `text` in one step: a reader sees the old file or the new one, never half of either."""
    write_bytes_atomically(path, text.encode())


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """The same with bytes."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=False)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; give the result the mode that an ordinary open() would.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def case_rows(runs: Iterable[Run], *, trials: bool = False) -> dict[tuple[str, str, int], list[Run]]:
    """The runs grouped by case: (recipe, task, task_version), each group in the order of its seeds.

    Trials of tuning are left out, unless they are asked for: then they come last in their group.
    """
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in sorted((run for run in runs if trials or not run.trial), key=run_key):
        groups.setdefault((run.recipe, run.task, run.task_version), []).append(run)
    return groups
