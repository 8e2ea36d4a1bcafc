"""The runs table: CSV in, CSV out; sorted, atomic, exact, harmless when opened in a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import COLUMNS, SCHEMA, Run

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXT = frozenset(column.name for column in fields(Run) if column.type == "str")


def to_csv(runs: Iterable[Run]) -> str:
    """The runs as CSV text, sorted by recipe, task, version and seed. Numbers round-trip exactly (`repr`)."""
    return "".join(map(_line, [COLUMNS, *(_row(run) for run in sorted(runs, key=run_key))]))


def from_csv(text: str, *, where: str) -> list[Run]:
    """The runs of a CSV text. Raises OptbenchError, with `where`, line and column, for anything unreadable."""
    reader = csv.reader(io.StringIO(text))
    try:
        return _runs(reader, where)
    except csv.Error as error:
        raise OptbenchError(f"{where}, line {reader.line_num}: no CSV ({error})") from error


def _runs(reader: Any, where: str) -> list[Run]:
    header = next(reader, None)
    if header is None:
        raise OptbenchError(f"{where}: empty file; expected the header of an optbench runs table")
    if "schema" not in header:
        raise OptbenchError(f"{where}: no column 'schema' in the header; expected an optbench runs table")
    runs = []
    for row in reader:
        if len(row) != len(header):
            raise OptbenchError(
                f"{where}, line {reader.line_num}: {len(row)} cells where the header has {len(header)}; truncated?"
            )
        runs.append(_parse(dict(zip(header, row, strict=True)), f"{where}, line {reader.line_num}"))
    return runs


def read_runs(path: Path) -> list[Run]:
    """The runs of a CSV file; OptbenchError when it cannot be read."""
    try:
        # Not read_text, which would make a line feed of every carriage return.
        return from_csv(path.read_bytes().decode("utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OptbenchError(f"{path}: cannot read the runs table ({error})") from error


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` with `text` in one step: a reader sees the old file or the new one, never half of either."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=False)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
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


def run_key(run: Run) -> tuple[str, str, int, int, str, int]:
    """What tells a run from every other one of a session; trials of tuning differ in their hyperparameters, too."""
    return run.recipe, run.task, run.task_version, run.trial, run.hyperparameters if run.trial else "", run.seed


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    # The csv module puts quotes around what ends a line, and only that: both characters, so that neither gets lost.
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _row(run: Run) -> list[str]:
    return [_cell(name, getattr(run, name)) for name in COLUMNS]


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    # A text cell that begins like a formula is defused for spreadsheets; reading takes the quote off again.
    return f"'{text}" if name in _TEXT and text.startswith((*_FORMULA, "'")) else text


def _parse(cells: dict[str, str], where: str) -> Run:
    try:
        schema = int(cells["schema"])
    except ValueError:
        raise OptbenchError(f"{where}: schema is {cells['schema']!r}; expected a number") from None
    if schema > SCHEMA:
        raise OptbenchError(f"{where}: schema {schema} is newer than {SCHEMA}, the newest this version reads; upgrade")
    kinds = {column.name: str(column.type) for column in fields(Run)}
    values: dict[str, Any] = {}
    for name, text in cells.items():
        if name in kinds:
            values[name] = _value(kinds[name], name, text, where)
    return Run(**values)


def _value(kind: str, name: str, text: str, where: str) -> object:
    if name in _TEXT:
        return text[1:] if text.startswith("'") else text
    if text == "":
        return None
    try:
        return int(text) if kind.startswith("int") else float(text)
    except ValueError:
        raise OptbenchError(f"{where}: column {name!r} is {text!r}; expected a number") from None


def case_rows(runs: Iterable[Run], *, trials: bool = False) -> dict[tuple[str, str, int], list[Run]]:
    """The runs grouped by case: (recipe, task, task_version), each group in the order of its seeds.

    Trials of tuning are left out, unless they are asked for: then they come last in their group.
    """
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in sorted((run for run in runs if trials or not run.trial), key=run_key):
        groups.setdefault((run.recipe, run.task, run.task_version), []).append(run)
    return groups
