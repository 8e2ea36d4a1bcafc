"""A threshold: the target and the budget by which a task is judged, found by protocol and kept as data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import write_atomically


@dataclass(frozen=True)
class Threshold:
    """What counts as solving a task, and how fast the reference does it.

    `target` is a value of the task's evaluation; `levels` are all its targets from easy to hard (at least three for
    built-in tasks, the gate uses one of them); `budget` is in steps; `par` is the median number of steps that tuned
    AdamW needs; None where AdamW does not reach the target.
    """

    target: float
    budget: int
    par: float | None = None
    levels: tuple[float, ...] = ()
    reference: str = ""
    """The optimizer that set the budget, with its tuned hyperparameters."""

    @property
    def eval_every(self) -> int:
        """Steps between two evaluations: about 200 evaluations in a budget."""
        return max(1, self.budget // 200)


@cache
def shipped_thresholds() -> dict[tuple[str, int], Threshold]:
    """The thresholds of the built-in tasks, by (task, version), from the table in the package."""
    text = resources.files("pytest_optbench.data").joinpath("thresholds.csv").read_text(encoding="utf-8")
    return parse_thresholds(text, where="thresholds.csv")


def parse_thresholds(text: str, *, where: str) -> dict[tuple[str, int], Threshold]:
    """Thresholds by (task, version) from CSV text. Raises OptbenchError, with `where` and line, for anything else."""
    reader = csv.DictReader(text.splitlines())
    found = {}
    for row in reader:
        try:
            found[row["task"], int(row["task_version"])] = Threshold(
                target=float(row["target"]),
                budget=int(row["budget"]),
                par=float(row["par"]) if row["par"] else None,
                levels=tuple(json.loads(row["levels"])),
                reference=row["reference"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OptbenchError(f"{where}, line {reader.line_num}: no threshold ({error!r})") from None
    return found


def read_thresholds(path: Path) -> dict[tuple[str, int], Threshold]:
    """Thresholds by (task, version) from a CSV file; OptbenchError when it cannot be read."""
    try:
        return parse_thresholds(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OptbenchError(f"{path}: cannot read the thresholds ({error})") from error


COLUMNS = ("task", "task_version", "target", "budget", "par", "levels", "reference")


def thresholds_csv(thresholds: Mapping[tuple[str, int], Threshold], *, order: Sequence[str]) -> str:
    """Thresholds as CSV text; rows are in `order` of their tasks, then by name."""
    rank = {name: k for k, name in enumerate(order)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (name, version), one in sorted(thresholds.items(), key=lambda item: (rank.get(item[0][0], len(rank)), item[0])):
        par = "" if one.par is None else f"{one.par:g}"
        writer.writerow([name, version, repr(one.target), one.budget, par, json.dumps(one.levels), one.reference])
    return out.getvalue()


def merge_thresholds(path: Path, found: Mapping[tuple[str, int], Threshold], *, order: Sequence[str]) -> None:
    """Write `found` into the CSV at `path`, keeping its other tasks; rows are in `order`, then by name."""
    thresholds = read_thresholds(path) if path.exists() else {}
    names = {name for name, _ in found}
    kept = {key: value for key, value in thresholds.items() if key[0] not in names}
    write_atomically(path, thresholds_csv({**kept, **found}, order=order))
