"""A baseline: stored results, a row per case and per fingerprint. Users commit one; the references are another."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path

from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.run import OUTCOMES, Run
from pytest_optbench.words.sheet import Sheet, column
from pytest_optbench.words.statistics import median
from pytest_optbench.words.table import case_rows, write_bytes_atomically

SCHEMA = 1
KINDS = ("case", "fingerprint")
_SHIPPED = "reference.csv.gz"

Key = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class BaselineRow:
    """One case, or one fingerprint. Its key is (recipe, task, task_version), whatever the node id, the file or the
    machine; the fingerprints of a recipe have their configuration, too.

    The lists have one entry per seed, in the order of `seeds`.
    """

    schema: int = column("version of this table's columns", default=SCHEMA)
    suite: str = column("version of the standard suite", default="")
    kind: str = column("what the row is about: case or fingerprint", default="case")
    recipe: str = column("name of what was run", required=True)
    task: str = column("name of the task", required=True)
    task_version: int = column("version of the task; results of different versions are never compared", required=True)
    tier: str = column("unit, small or full", default="")
    optimizer: str = column("class or factory, as module:name", default="")
    optimizer_version: str = column("version of the package that provides it", default="")
    regime: str = column("where the hyperparameters come from: default, fixed or tuned", default="default")
    hyperparameters: str = column("what was set or tuned, as JSON; the class's own defaults are left out", default="{}")
    budget: int = column("steps within which the target had to be reached", unit="steps", required=True)
    eval_every: int = column("steps between two evaluations", unit="steps", required=True)
    optimum: float | None = column("known least value of the evaluation")
    target: float = column("value of the evaluation that counted as solved", required=True)
    seeds: tuple[int, ...] = column("seeds, as a JSON list in ascending order", required=True)
    initial: tuple[float | None, ...] = column(
        "per seed, value of the evaluation before the first step; null where there is no finite one", required=True
    )
    outcomes: tuple[str, ...] = column("per seed, reached, missed, diverged, crashed or timeout", required=True)
    steps: tuple[int | None, ...] = column(
        "per seed, steps to target; null where it was not reached", unit="steps", required=True
    )
    best: tuple[float | None, ...] = column(
        "per seed, least value of the evaluation; null where there is no finite one", required=True
    )
    level_steps: str = column(
        "of the reference table: per seed, a JSON list of the steps to each level of the task", default="[]"
    )
    curve: str = column("the first seed's curve, as in the runs table", default="[]")
    trajectory_sha: str = column("SHA-256 over the trajectory_sha of all seeds, in their order", default="")
    torch: str = column("version of torch", default="")
    numpy: str = column("version of numpy", default="")
    python: str = column("version of Python", default="")
    platform: str = column("operating system and machine", default="")
    cpu: str = column("torch's CPU capability", default="")
    device: str = column("device of the runs", default="cpu")
    dtype: str = column("floating-point type of the parameters", default="float32")
    threads: int = column("torch's intra-op threads", unit="threads", default=1)
    configuration: str = column("of a fingerprint, the recipe's configuration", default="")
    fingerprint: str = column(
        "of a fingerprint, as a JSON list: version, tolerances, floors, shapes, then per step and tensor "
        "the norm of the step and two projections of it",
        default="",
    )

    @property
    def key(self) -> Key:
        return self.recipe, self.task, self.task_version

    @property
    def place(self) -> tuple[str, str, int, str]:
        """What tells a row from every other one, and what rows are sorted by."""
        return *self.key, self.configuration

    @property
    def steps_to_target(self) -> tuple[float, ...]:
        """Steps to target per seed, infinite where it was not reached."""
        return tuple(math.inf if count is None else float(count) for count in self.steps)

    @property
    def median_steps(self) -> float:
        """Infinite where most seeds missed."""
        return median(self.steps_to_target)


COLUMNS: tuple[str, ...] = tuple(one.name for one in fields(BaselineRow))
_PER_SEED = ("initial", "outcomes", "steps", "best")
_OWN = frozenset(
    {"schema", "kind", "seeds", "curve", "level_steps", "trajectory_sha", "configuration", "fingerprint", *_PER_SEED}
)
_SHARED = tuple(name for name in COLUMNS if name not in _OWN)
"""What all runs of a case agree in."""
_SHEET = Sheet(BaselineRow, noun="baseline", schema=SCHEMA, key=lambda row: row.place)


def from_runs(runs: Sequence[Run]) -> list[BaselineRow]:
    """The cases of a runs table, sorted by key; runs of tuning trials are left out.

    Raises OptbenchError when the runs of a case differ in more than their seeds, or share one.
    """
    return [_row(group) for group in case_rows(runs).values()]


def _row(runs: Sequence[Run]) -> BaselineRow:
    first = runs[0]
    case = f"{first.recipe} on {first.task}@{first.task_version}"
    for name in _SHARED:
        found = list(dict.fromkeys(getattr(run, name) for run in runs))
        if len(found) > 1:
            raise OptbenchError(f"{case}: runs with {name} {found[0]!r} and {found[1]!r} are not of one case")
    seeds = tuple(run.seed for run in runs)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise OptbenchError(f"{case}: more than one run with seed {twice}")
    return BaselineRow(
        **{name: getattr(first, name) for name in _SHARED},
        seeds=seeds,
        initial=tuple(_finite(run.initial) for run in runs),
        outcomes=tuple(run.outcome for run in runs),
        steps=tuple(run.steps_to_target for run in runs),
        best=tuple(_finite(run.best) for run in runs),
        curve=first.curve,
        trajectory_sha=hashlib.sha256("".join(run.trajectory_sha for run in runs).encode()).hexdigest(),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def to_csv(rows: Iterable[BaselineRow]) -> str:
    """The rows as CSV text, sorted by key: the same rows give the same bytes. Numbers round-trip exactly."""
    return _SHEET.to_csv(rows)


def from_csv(text: str, *, where: str) -> list[BaselineRow]:
    """The rows of a CSV text. Raises OptbenchError, with `where`, line and column, for anything unreadable."""
    return _checked(_SHEET.from_csv(text, where=where), where)


def read_baseline(path: Path) -> list[BaselineRow]:
    """The rows of a CSV file; OptbenchError when it cannot be read."""
    return _checked(_SHEET.read(path), str(path))


def _checked(rows: list[BaselineRow], where: str) -> list[BaselineRow]:
    seen = set()
    for row in rows:
        place = f"{where}: {row.recipe} on {row.task}@{row.task_version}"
        if row.place in seen:
            raise OptbenchError(f"{place}: two rows of one case; was a merge left unfinished?")
        seen.add(row.place)
        require_known(row.kind, KINDS, where=place, what="kind")
        for name in _PER_SEED:
            count = len(getattr(row, name))
            if count != len(row.seeds):
                raise OptbenchError(f"{place}: column {name!r} has {count} entries for {len(row.seeds)} seeds")
        if len(set(row.seeds)) < len(row.seeds):
            raise OptbenchError(f"{place}: column 'seeds' names a seed twice")
        for outcome, steps in zip(row.outcomes, row.steps, strict=True):
            require_known(outcome, OUTCOMES, where=place, what="outcome")
            if (outcome == "reached") != (steps is not None):
                raise OptbenchError(f"{place}: a run is {outcome!r} in column 'outcomes' with {steps} in 'steps'")
    return rows


def for_reference(rows: Iterable[BaselineRow], runs: Sequence[Run]) -> list[BaselineRow]:
    """The rows as the reference table keeps them: with the steps to every level, and eight digits of a value."""
    cases = case_rows(runs)
    return [
        replace(
            row,
            initial=tuple(map(_eight_digits, row.initial)),
            best=tuple(map(_eight_digits, row.best)),
            curve=json.dumps(
                [[step, _eight_digits(value)] for step, value in json.loads(row.curve)], separators=(",", ":")
            ),
            level_steps="[" + ",".join(run.level_steps for run in cases[row.key]) + "]",
        )
        for row in rows
    ]


def _eight_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.8g}")


def write_reference(path: Path, rows: Iterable[BaselineRow]) -> None:
    """Write a reference table, compressed: rows of one task next to each other, for they share most of their bytes."""
    text = _SHEET.to_csv(rows, key=lambda row: (row.task, row.task_version, row.recipe))
    write_bytes_atomically(path, gzip.compress(text.encode(), mtime=0))


@cache
def shipped_reference() -> dict[Key, BaselineRow]:
    """The reference table of the package, by (recipe, task, version): tuned references on the built-in tasks."""
    header, lines = _shipped_lines()
    text = "\n".join([header, *(line for some in lines.values() for line in some)])
    return {row.key: row for row in from_csv(text, where=_SHIPPED)}


@cache
def shipped_rows(task: str, version: int) -> tuple[BaselineRow, ...]:
    """The rows of one task in the reference table of the package; the others are not parsed."""
    header, lines = _shipped_lines()
    return tuple(from_csv("\n".join([header, *lines.get((task, str(version)), ())]), where=_SHIPPED))


@cache
def _shipped_lines() -> tuple[str, dict[tuple[str, str], list[str]]]:
    """The header of the reference table, and its other lines by task and version; no cell before those has a comma."""
    packed = resources.files("pytest_optbench.data").joinpath(_SHIPPED).read_bytes()
    header, *others = gzip.decompress(packed).decode().splitlines()
    at = COLUMNS.index("task")
    lines: dict[tuple[str, str], list[str]] = {}
    for line in others:
        task, version = line.split(",", at + 2)[at : at + 2]
        lines.setdefault((task, version), []).append(line)
    return header, lines
