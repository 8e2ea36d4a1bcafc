"""Cases of runs tables, read in a stream: a table of a million runs takes the memory of one case at a time."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pytest_optbench.words.baseline import BaselineRow, shipped_reference
from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.run import COLUMNS, OUTCOMES, SCHEMA, Curve
from pytest_optbench.words.sheet import undefused
from pytest_optbench.words.statistics import median

CHUNK = 4096
"""Rows that are held at once."""
REQUIRED = ("schema", "task", "task_version", "recipe", "seed", "budget", "target", "outcome", "steps_to_target")
SHARED = (
    *("suite", "tier", "optimizer", "optimizer_version", "regime", "hyperparameters", "tuned", "engine"),
    *("torch", "numpy", "python", "platform", "cpu", "device", "dtype", "git_sha", "timestamp"),
    *("verdict", "level", "change"),
)
"""Texts in which the runs of a case agree, or of which the first run's is told."""
TEXTS = ("recipe", "task", "unhealthy", "examples", *SHARED)
IDENTITY = ("suite", "regime", "hyperparameters", "optimizer", "budget", "target")
"""Where runs of one case differ in these, they are not of one case."""

Key = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Band:
    """Quantiles over seeds, by step. A seed whose record has ended counts with its last value."""

    steps: tuple[int, ...]
    low: tuple[float, ...]
    """The lower quartile."""
    median: tuple[float, ...]
    high: tuple[float, ...]
    """The upper quartile."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One value that tuning tried, over the seeds of tuning."""

    hyperparameters: str
    steps: tuple[float, ...]
    """To the target, infinite where it was not reached."""
    best: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CaseSummary:
    """One recipe on one task over its seeds. Tuples have an entry per seed, in ascending order of `seeds`."""

    source: str
    """The file it came from."""
    recipe: str
    task: str
    task_version: int
    budget: int
    eval_every: int
    target: float
    optimum: float | None
    shared: Mapping[str, str]
    """The texts named in `SHARED`."""
    threads: int
    seeds: tuple[int, ...]
    outcomes: tuple[str, ...]
    steps: tuple[float, ...]
    """To the target, infinite where it was not reached."""
    level_steps: tuple[tuple[float, ...], ...]
    """Per seed and level, infinite where the record does not show it; () without levels."""
    initial: tuple[float, ...]
    best: tuple[float, ...]
    final: tuple[float, ...]
    curve: Band | None
    diagnostics: Mapping[str, Band] = field(default_factory=dict)
    unhealthy: tuple[str, ...] = ()
    examples: str = ""
    """Of the first seed, as JSON."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Median over seeds of each further figure of merit."""
    medians: Mapping[str, float] = field(default_factory=dict)
    """Of step_ms, gradient_ms, state_bytes_per_param, peak_bytes, evaluations, where known."""
    comparison: Mapping[str, float] = field(default_factory=dict)
    """p_value, ratio, ratio_low, ratio_high against the baseline, where known."""
    curves: tuple[Curve, ...] = ()
    """Of every seed, where they are asked for."""
    trials: tuple[Trial, ...] = ()

    @property
    def key(self) -> Key:
        return self.recipe, self.task, self.task_version

    @property
    def tier(self) -> str:
        return self.shared.get("tier", "")

    @property
    def regime(self) -> str:
        return self.shared.get("regime", "default")

    @property
    def suite(self) -> str:
        return self.shared.get("suite", "")

    @property
    def hyperparameters(self) -> str:
        return self.shared.get("hyperparameters", "{}")

    @property
    def reached(self) -> int:
        """Seeds that reached the target."""
        return self.outcomes.count("reached")

    @property
    def solved(self) -> bool:
        """By the absolute gate: at least half of the seeds reached the target."""
        return 2 * self.reached >= len(self.seeds) > 0

    @property
    def median_steps(self) -> float:
        """Infinite where most seeds missed."""
        return median(self.steps)


def read_cases(paths: Iterable[Path], *, curves: bool = False) -> Iterator[CaseSummary]:
    """The cases of runs tables, one after another, in the order in which they stand; with every seed's curve if
    `curves`.

    Raises OptbenchError where a file is no runs table, where a cell cannot be read, where runs do not belong together,
    and where the rows of a case do not stand together (tables are written so; `optbench merge` sorts others).
    """
    for path in paths:
        yield from _read(Path(path), curves)


def reference_cases() -> list[CaseSummary]:
    """The shipped reference table as cases: tuned references, without curves of all seeds."""
    return [of_baseline(row, source="reference table") for row in shipped_reference().values()]


def of_baseline(row: BaselineRow, *, source: str) -> CaseSummary:
    """A case of a baseline or of the reference table; it has the first seed's curve alone."""
    points = json.loads(row.curve)
    return CaseSummary(
        source=source,
        recipe=row.recipe,
        task=row.task,
        task_version=row.task_version,
        budget=row.budget,
        eval_every=row.eval_every,
        target=row.target,
        optimum=row.optimum,
        shared={name: str(getattr(row, name, "")) for name in SHARED},
        threads=row.threads,
        seeds=row.seeds,
        outcomes=row.outcomes,
        steps=row.steps_to_target,
        level_steps=tuple(tuple(map(_steps, levels)) for levels in json.loads(row.level_steps)),
        initial=tuple(map(_number, row.initial)),
        best=tuple(map(_number, row.best)),
        final=(),
        curve=None,
        curves=(tuple((step, _number(value)) for step, value in points),) if points else (),
    )


def _read(path: Path, curves: bool) -> Iterator[CaseSummary]:
    pending: list[dict[str, Any]] = []
    key: Key | None = None
    done: set[Key] = set()
    for chunk in _chunks(path):
        for row in chunk.to_dict("records"):
            row.update({name: undefused(row[name]) for name in TEXTS if name in row})
            own = (row["recipe"], row["task"], _whole(row, "task_version", path))
            if own != key:
                if key is not None:
                    yield _summary(key, pending, path, curves)
                    done.add(key)
                if own in done:
                    raise OptbenchError(
                        f"{path}: the rows of {own[0]} on {own[1]}@{own[2]} do not stand together; "
                        f"sort the table with: optbench merge {path} -o sorted.csv"
                    )
                key, pending = own, []
            pending.append(row)
    if key is not None:
        yield _summary(key, pending, path, curves)


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            reader = pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=CHUNK, encoding="utf-8")
            with reader:
                for chunk in reader:
                    _require_columns(list(chunk.columns), path)
                    yield chunk
    except OSError as error:
        raise OptbenchError(f"{path}: {error.strerror or error}") from error
    except (ValueError, pd.errors.ParserWarning) as error:  # of pandas, an empty file and a broken line among them
        raise OptbenchError(f"{path}: no runs table ({error})") from error


def _require_columns(found: Sequence[str], path: Path) -> None:
    if "seeds" in found:
        raise OptbenchError(f"{path}: a baseline, with a row per case; expected a runs table, as of --optbench-csv")
    for name in REQUIRED:
        if name not in found:
            raise OptbenchError(f"{path}: no column {name!r} in the header; expected a runs table")
    for name in found:
        require_known(name, COLUMNS, where=str(path), what="column")


def _summary(key: Key, rows: list[dict[str, Any]], path: Path, curves: bool) -> CaseSummary:
    where = f"{path}, {key[0]} on {key[1]}@{key[2]}"
    scored = sorted((row for row in rows if row.get("trial", "0") in ("0", "")), key=lambda r: _whole(r, "seed", where))
    if not scored:
        raise OptbenchError(f"{where}: only trials of tuning; expected runs that count")
    first = scored[0]
    _require_one_case(scored, where)
    points = [_points(_json(row, "curve", where)) for row in scored]
    diagnostics = [_json(row, "diagnostics", where, empty={}) for row in scored]
    quantities = dict.fromkeys(name for one in diagnostics for name in one)
    metrics = [_json(row, "metrics", where, empty={}) for row in scored]
    return CaseSummary(
        source=str(path),
        recipe=key[0],
        task=key[1],
        task_version=key[2],
        budget=_whole(first, "budget", where),
        eval_every=int(first.get("eval_every") or 1),
        target=_float(first, "target", where),
        optimum=_float(first, "optimum", where) if first.get("optimum") else None,
        shared={name: first.get(name, "") for name in SHARED},
        threads=int(first.get("threads") or 1),
        seeds=tuple(_whole(row, "seed", where) for row in scored),
        outcomes=tuple(row["outcome"] for row in scored),
        steps=tuple(_steps_of(row, where) for row in scored),
        level_steps=tuple(tuple(map(_steps, _json(row, "level_steps", where))) for row in scored),
        initial=tuple(_float(row, "initial", where) for row in scored),
        best=tuple(_float(row, "best", where) for row in scored),
        final=tuple(_float(row, "final", where) for row in scored),
        curve=band(points),
        diagnostics={
            name: found
            for name in quantities
            if (found := band([_points(one.get(name, [])) for one in diagnostics])) is not None
        },
        unhealthy=tuple(row.get("unhealthy", "") for row in scored),
        examples=first.get("examples", ""),
        metrics=_medians_of(metrics),
        medians=_medians_of([_numbers(row, MEASURED, where) for row in scored]),
        comparison=_numbers(first, COMPARED, where),
        curves=tuple(points) if curves else (),
        trials=_trials(rows, where),
    )


MEASURED = ("step_ms", "gradient_ms", "state_bytes_per_param", "peak_bytes", "evaluations")
COMPARED = ("p_value", "ratio", "ratio_low", "ratio_high")


def _require_one_case(scored: Sequence[Mapping[str, str]], where: str) -> None:
    first = scored[0]
    seeds = [row["seed"] for row in scored]
    if len(set(seeds)) < len(seeds):
        raise OptbenchError(f"{where}: more than one run with seed {next(s for s in seeds if seeds.count(s) > 1)}")
    for row in scored:
        if _whole(row, "schema", where) > SCHEMA:
            raise OptbenchError(f"{where}: schema {row['schema']} is newer than this version's {SCHEMA}; upgrade")
        require_known(row["outcome"], OUTCOMES, where=where, what="outcome")
        for name in IDENTITY:
            if row.get(name) != first.get(name):
                raise OptbenchError(
                    f"{where}: runs with {name} {first.get(name)!r} and {row.get(name)!r} are not of one case"
                )


def _trials(rows: Sequence[Mapping[str, str]], where: str) -> tuple[Trial, ...]:
    by_value: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        if row.get("trial", "0") not in ("0", ""):
            by_value.setdefault(row["hyperparameters"], []).append(row)
    return tuple(
        Trial(
            hyperparameters=text,
            steps=tuple(_steps_of(row, where) for row in some),
            best=tuple(_float(row, "best", where) for row in some),
        )
        for text, some in by_value.items()
    )


def band(curves: Sequence[Curve]) -> Band | None:
    """Quartiles of several curves at all steps at which one of them has a point; None where there is no point.

    Between its points, and after its last one, a curve has the value of the point before; what is not finite counts as
    infinite.

    >>> band([((0, 4.0), (2, 2.0)), ((0, 4.0), (2, 1.0), (4, 0.0))]).median
    (4.0, 1.5, 1.0)
    """
    curves = [curve for curve in curves if curve]
    if not curves:
        return None
    steps = sorted({step for curve in curves for step, _ in curve})
    table = np.empty((len(curves), len(steps)))
    for row, curve in zip(table, curves, strict=True):
        own = np.array([step for step, _ in curve])
        values = np.array([value for _, value in curve], dtype=float)
        values[~np.isfinite(values)] = math.inf
        row[:] = values[np.clip(np.searchsorted(own, steps, side="right") - 1, 0, None)]
    table.sort(axis=0)
    last = len(curves) - 1
    # The quartiles are values of seeds, not between two of them: infinity less infinity is no number.
    low, high = table[math.floor(0.25 * last)], table[math.ceil(0.75 * last)]
    middle = (table[last // 2] + table[-(-last // 2)]) / 2
    return Band(
        steps=tuple(steps),
        low=tuple(low.tolist()),
        median=tuple(middle.tolist()),
        high=tuple(high.tolist()),
    )


def _medians_of(each: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in each for name in one)
    found = {}
    for name in names:
        values = [float(one[name]) for one in each if isinstance(one.get(name), int | float)]
        if values:
            found[name] = float(np.median(values))
    return found


def _numbers(row: Mapping[str, str], names: Sequence[str], where: str) -> dict[str, float]:
    return {name: _float(row, name, where) for name in names if row.get(name)}


def _points(points: Any) -> Curve:
    return tuple((int(step), _number(value)) for step, value in points)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _steps(value: int | None) -> float:
    return math.inf if value is None else float(value)


def _steps_of(row: Mapping[str, str], where: object) -> float:
    return _float(row, "steps_to_target", where) if row["steps_to_target"] else math.inf


def _whole(row: Mapping[str, str], name: str, where: object) -> int:
    try:
        return int(row[name])
    except ValueError:
        raise OptbenchError(f"{where}: column {name!r} is {row[name][:40]!r}; expected a whole number") from None


def _float(row: Mapping[str, str], name: str, where: object) -> float:
    text = row.get(name, "")
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise OptbenchError(f"{where}: column {name!r} is {text[:40]!r}; expected a number") from None


def _json(row: Mapping[str, str], name: str, where: object, empty: Any = ()) -> Any:
    text = row.get(name, "")
    if not text:
        return empty
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict if isinstance(empty, dict) else list):
        raise OptbenchError(f"{where}: column {name!r} is {text[:40]!r}; expected JSON")
    return found
