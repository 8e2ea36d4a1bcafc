"""Results: a file of them, which is a runs table or a baseline, as cases that can be compared."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_optbench.words import baseline, table
from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.run import OUTCOMES, Run
from pytest_optbench.words.sheet import read_text


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a file holds. `rows` are its cases and fingerprints; a runs table has no fingerprints."""

    where: str
    rows: tuple[BaselineRow, ...]
    runs: tuple[Run, ...] | None = None
    """Of a runs table, all its runs, those of tuning too; None for a baseline."""

    @property
    def cases(self) -> tuple[BaselineRow, ...]:
        return tuple(row for row in self.rows if row.kind == "case")

    @property
    def fingerprints(self) -> tuple[BaselineRow, ...]:
        return tuple(row for row in self.rows if row.kind == "fingerprint")


def read_results(path: Path) -> Results:
    """Read a runs table or a baseline, whichever the header tells. Raises OptbenchError for anything else."""
    return parse_results(read_text(path, "results"), where=str(path))


def parse_results(text: str, *, where: str) -> Results:
    """The same from CSV text."""
    if _is_baseline(text, where):
        return Results(where=where, rows=tuple(baseline.from_csv(text, where=where)))
    runs = [run for _, run in numbered_runs(text, where=where)]
    try:
        rows = from_runs(storable(runs))
    except OptbenchError as error:
        raise OptbenchError(f"{where}: {error}") from error
    return Results(where=where, rows=tuple(rows), runs=tuple(runs))


def _is_baseline(text: str, where: str) -> bool:
    try:
        header = next(csv.reader(io.StringIO(text)), [])
    except csv.Error as error:
        raise OptbenchError(f"{where}, line 1: no CSV ({error})") from error
    if not {"seed", "seeds"} & set(header):
        raise OptbenchError(
            f"{where}: neither a column 'seed' nor 'seeds' in the header; expected a runs table or a baseline"
        )
    return "seeds" in header


def read_numbered_runs(path: Path) -> list[tuple[int, Run]]:
    """The runs of a runs table, each with the line it ends in. Raises OptbenchError for a baseline, too."""
    text = read_text(path, "runs table")
    if _is_baseline(text, str(path)):
        raise OptbenchError(f"{path}: a baseline, with a row per case; expected a runs table, as of --optbench-csv")
    return numbered_runs(text, where=str(path))


def numbered_runs(text: str, *, where: str) -> list[tuple[int, Run]]:
    """The runs of a CSV text, each with the line it ends in; what the cells say is looked at, too."""
    numbered = table.numbered(text, where=where)
    for line, run in numbered:
        _check(run, f"{where}, line {line}")
    return numbered


def storable(runs: Iterable[Run]) -> list[Run]:
    """Without trials of tuning, and without what a test compared its own recipe with: those are of no baseline."""
    return [run for run in runs if not run.trial and "/" not in run.recipe]


def _check(run: Run, where: str) -> None:
    require_known(run.outcome, OUTCOMES, where=where, what="outcome")
    if run.target is None:
        raise OptbenchError(f"{where}: column 'target' is empty; expected a number")
    if (run.outcome == "reached") != (run.steps_to_target is not None):
        raise OptbenchError(f"{where}: outcome is {run.outcome!r} and steps_to_target {run.steps_to_target}")
    for name in ("hyperparameters", "tuned"):
        if not isinstance(_json(getattr(run, name), name, where), dict):
            raise OptbenchError(f"{where}: column {name!r} is no JSON object")
    points = _json(run.curve, "curve", where)
    if not (isinstance(points, list) and all(map(_is_point, points))):
        raise OptbenchError(f"{where}: column 'curve' is no JSON list of [step, value]")


def _json(text: str, name: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise OptbenchError(f"{where}: column {name!r} is {shown!r}; expected JSON") from None


def _is_point(point: Any) -> bool:
    if not (isinstance(point, list) and len(point) == 2 and type(point[0]) is int):
        return False
    return point[1] is None or type(point[1]) in (int, float)


def merged(files: Sequence[tuple[str, Sequence[tuple[int, Run]]]]) -> tuple[list[Run], int]:
    """The runs of several tables, each with its name and its numbered runs, and how many were there twice.

    A run that is there again with the same results is dropped, times of measurement being no result. Raises
    OptbenchError, with both places and the column, where results differ, and where the runs of a case do not belong
    together.
    """
    first: dict[tuple[Any, ...], tuple[str, Run]] = {}
    twice = 0
    for name, numbered in files:
        for line, run in numbered:
            key, place = table.run_key(run), f"{name}, line {line}"
            if key not in first:
                first[key] = place, run
                continue
            _require_equal(*first[key], place, run)
            twice += 1
    runs = [run for _, run in first.values()]
    from_runs(runs)
    return runs, twice


def _require_equal(place: str, run: Run, again: str, other: Run) -> None:
    for name in table.LASTING:
        values = getattr(run, name), getattr(other, name)
        if repr(values[0]) != repr(values[1]):  # by repr, as NaN is to equal itself
            raise OptbenchError(
                f"{again}: {run.recipe} on {run.task}@{run.task_version}, seed {run.seed}: column {name!r} is "
                f"{_short(values[1])}, and {_short(values[0])} in {place}; these are not the same results"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
