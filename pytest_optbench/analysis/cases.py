"""Cases of runs tables, read in a stream: a table of a million runs takes the memory of one case at a time."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

_LAST_POINT = re.compile(r"\[(\d{1,15}),[^\[\]]*\]\s*\]\s*$")
"""Of a curve as JSON."""

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
    ends: tuple[int, ...] = ()
    """Per seed, the last step of the record; () where it is not known."""
    signs: tuple[Mapping[str, Curve], ...] = ()
    """The diagnostics of every seed, where curves are asked for."""

    @property
    def key(self) -> Key:
        return self.recipe, self.task, self.task_version

    @property
    def tier(self) -> str:
        return self.shared.get("tier", "")

    @property
    def regime(self) -> str:
        return self.shared.get("regime") or "default"

    @property
    def suite(self) -> str:
        return self.shared.get("suite", "")

    @property
    def hyperparameters(self) -> str:
        return self.shared.get("hyperparameters") or "{}"

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


def read_cases(
    paths: Iterable[Path],
    *,
    curves: bool = False,
    skip: Collection[str] = (),
    recipes: Collection[str] | None = None,
) -> Iterator[CaseSummary]:
    """The cases of runs tables, one after another, in the order in which they stand; with every seed's curve and
    diagnostics if `curves`; those of some `recipes` only, if they are given.

    Columns to `skip` are taken as empty, which saves the time to read them; of a curve to skip, the end is read. A
    million runs take minutes with curves and diagnostics, and less than half of that without.

    Raises OptbenchError where a file is no runs table, where a cell cannot be read, where runs do not belong together,
    and where the rows of a case do not stand together (tables are written so; `optbench merge` sorts others).
    """
    for path in paths:
        yield from _read(Path(path), _Wanted(curves, frozenset(skip), recipes))


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


@dataclass(frozen=True)
class _Wanted:
    """What is read of a table."""

    curves: bool
    skip: frozenset[str]
    recipes: Collection[str] | None


def _read(path: Path, wanted: _Wanted) -> Iterator[CaseSummary]:
    pending: list[dict[str, Any]] = []
    key: Key | None = None
    done: set[Key] = set()
    for chunk in _chunks(path, wanted.skip):
        for row in _rows(chunk, wanted.recipes):
            own = (row["recipe"], row["task"], _whole(row, "task_version", path))
            if own != key:
                if key is not None:
                    yield _summary(key, pending, path, wanted)
                    done.add(key)
                if own in done:
                    raise OptbenchError(
                        f"{path}: the rows of {own[0]} on {own[1]}@{own[2]} do not stand together; "
                        f"sort the table with: optbench merge {path} -o sorted.csv"
                    )
                key, pending = own, []
            pending.append(row)
    if key is not None:
        yield _summary(key, pending, path, wanted)


def _rows(chunk: pd.DataFrame, recipes: Collection[str] | None) -> Iterator[dict[str, Any]]:
    """The rows of a chunk; column by column, for `to_dict` takes three times as long."""
    if recipes is not None:
        chunk = chunk[[undefused(name) in recipes for name in chunk["recipe"]]]
    columns = {str(name): chunk[name].tolist() for name in chunk.columns}
    columns |= {name: list(map(undefused, columns[name])) for name in TEXTS if name in columns}
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def _chunks(path: Path, skip: frozenset[str]) -> Iterator[pd.DataFrame]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            form: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8"}
            found = list(pd.read_csv(path, nrows=0, **form).columns)
            _require_columns(found, path)
            wanted = [name for name in found if name not in skip or name in (*REQUIRED, "curve")]
            with pd.read_csv(path, usecols=wanted, chunksize=CHUNK, **form) as reader:
                yield from reader
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


def _summary(key: Key, rows: list[dict[str, Any]], path: Path, wanted: _Wanted) -> CaseSummary:
    where = f"{path}, {key[0]} on {key[1]}@{key[2]}"
    scored = sorted((row for row in rows if row.get("trial", "0") in ("0", "")), key=lambda r: _whole(r, "seed", where))
    if not scored:
        raise OptbenchError(f"{where}: only trials of tuning; expected runs that count")
    first = scored[0]
    _require_one_case(scored, where)
    points = [] if "curve" in wanted.skip else [_json(row, "curve", where) for row in scored]
    diagnostics = [_json(row, "diagnostics", where, empty={}) for row in scored]
    quantities = dict.fromkeys(name for one in diagnostics for name in one)
    signs = {name: [one.get(name, ()) for one in diagnostics] for name in quantities}
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
        curve=_band_of(points, "curve", where),
        diagnostics={
            name: found for name, some in signs.items() if (found := _band_of(some, "diagnostics", where)) is not None
        },
        unhealthy=tuple(row.get("unhealthy", "") for row in scored),
        examples=first.get("examples", ""),
        metrics=_medians_of(metrics),
        medians=_medians_of([_numbers(row, MEASURED, where) for row in scored]),
        comparison=_numbers(first, COMPARED, where),
        curves=tuple(map(_points, points)) if wanted.curves else (),
        trials=_trials(rows, where),
        ends=_ends(scored),
        signs=tuple({name: _points(one) for name, one in some.items()} for some in diagnostics)
        if wanted.curves
        else (),
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


def band(curves: Sequence[Sequence[Sequence[float | None]]]) -> Band | None:
    """Quartiles of several curves at all steps at which one of them has a point; None where there is no point.

    Between its points, and after its last one, a curve has the value of the point before; what is not finite counts as
    infinite.

    >>> band([((0, 4.0), (2, 2.0)), ((0, 4.0), (2, 1.0), (4, 0.0))]).median
    (4.0, 1.5, 1.0)
    """
    lengths = [len(curve) for curve in curves if curve]
    if not lengths:
        return None
    points = np.array([point for curve in curves for point in curve], dtype=float)
    if not np.isfinite(points[:, 0]).all():
        raise ValueError("a step that is no number")
    values = np.where(np.isfinite(points[:, 1]), points[:, 1], math.inf)
    steps, column = np.unique(points[:, 0], return_inverse=True)
    # Of every curve and step, the number of the point that holds there: its last one so far, or else its first.
    first = np.cumsum([0, *lengths[:-1]])
    point = np.repeat(first[:, None], len(steps), axis=1)
    point[np.repeat(np.arange(len(lengths)), lengths), column] = np.arange(len(points))
    table = np.sort(values[np.maximum.accumulate(point, axis=1)], axis=0)
    last = len(lengths) - 1
    # The quartiles are values of seeds, not between two of them: infinity less infinity is no number.
    low, high = table[math.floor(0.25 * last)], table[math.ceil(0.75 * last)]
    middle = (table[last // 2] + table[-(-last // 2)]) / 2
    return Band(
        steps=tuple(steps.astype(int).tolist()),
        low=tuple(low.tolist()),
        median=tuple(middle.tolist()),
        high=tuple(high.tolist()),
    )


def _band_of(curves: Sequence[Any], name: str, where: str) -> Band | None:
    try:
        return band(curves)
    except (ValueError, TypeError, IndexError):
        raise OptbenchError(f"{where}: column {name!r} is no list of [step, value]") from None


def _ends(scored: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
    """The last step of every record: that of the last point of its curve."""
    found = [_LAST_POINT.search(row.get("curve", "")) for row in scored]
    return tuple(int(match[1]) for match in found if match) if all(found) else ()


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
