"""Cases of runs tables, read in a stream: a table of a million runs takes the memory of one case at a time."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_optbench.analysis.bands import Band, band
from pytest_optbench.analysis.cases import SHARED, CaseSummary, Key, Trial, steps_of, value_of
from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.run import COLUMNS, OUTCOMES, SCHEMA, Curve
from pytest_optbench.words.sheet import undefused

REQUIRED = ("schema", "task", "task_version", "recipe", "seed", "budget", "target", "outcome", "steps_to_target")
TEXTS = ("recipe", "task", "unhealthy", "examples", *SHARED)
IDENTITY = ("suite", "regime", "hyperparameters", "optimizer", "budget", "target")
"""Where runs of one case differ in these, they are not of one case."""

_LAST_POINT = re.compile(r"\[(\d{1,15}),[^\[\]]*\]\s*\]\s*$")
"""Of a curve as JSON."""
MEASURED = ("step_ms", "gradient_ms", "state_bytes_per_param", "peak_bytes", "evaluations")
COMPARED = ("p_value", "ratio", "ratio_low", "ratio_high")


def read_cases(
    paths: Iterable[Path],
    *,
    curves: bool = False,
    skip: Collection[str] = (),
    recipes: Collection[str] | None = None,
) -> Iterator[CaseSummary]:
    """The cases of runs tables, one after another, in the order in which they stand; with every seed's curve and
    diagnostics if `curves` (its curve in any case where the task has no target); those of some `recipes` only, if they
    are given.

    Columns to `skip` are taken as empty, which saves the time to read them; of a curve to skip, the end is read. A
    million runs take minutes with curves and diagnostics, and less than half of that without.

    Raises OptbenchError where a file is no runs table, where a cell cannot be read, where runs do not belong together,
    and where the rows of a case do not stand together (tables are written so; `optbench merge` sorts others).
    """
    for path in paths:
        yield from _read(Path(path), _Wanted(curves, frozenset(skip), recipes))


@dataclass(frozen=True)
class _Wanted:
    """What is read of a table."""

    curves: bool
    skip: frozenset[str]
    recipes: Collection[str] | None


def _read(path: Path, wanted: _Wanted) -> Iterator[CaseSummary]:
    pending: list[dict[str, str]] = []
    key: Key | None = None
    done: set[Key] = set()
    for row in _rows(path, wanted):
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


def _rows(path: Path, wanted: _Wanted) -> Iterator[dict[str, str]]:
    """The cells that are wanted, by their columns, row after row."""
    records = _records(path)
    header = next(records, [])
    _require_columns(header, path)
    places = [(k, name) for k, name in enumerate(header) if name not in wanted.skip or name in (*REQUIRED, "curve")]
    recipe = header.index("recipe")
    for cells in records:
        if wanted.recipes is not None and undefused(cells[recipe]) not in wanted.recipes:
            continue
        yield {name: undefused(cells[k]) if name in TEXTS else cells[k] for k, name in places}


def _records(path: Path) -> Iterator[list[str]]:
    """The records of a CSV file, compressed or not; every one has as many cells as the first."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            length = None
            for cells in reader:
                length = length or len(cells)
                if len(cells) != length:
                    raise OptbenchError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header has {length}; truncated?"
                    )
                yield cells
    except (UnicodeDecodeError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise OptbenchError(f"{path}: no runs table ({error})") from error
    except OSError as error:
        raise OptbenchError(f"{path}: {error.strerror or error}") from error


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
    target = _float(first, "target", where)
    return CaseSummary(
        source=str(path),
        recipe=key[0],
        task=key[1],
        task_version=key[2],
        budget=_whole(first, "budget", where),
        eval_every=_whole(first, "eval_every", where) if first.get("eval_every") else 1,
        target=target,
        optimum=_float(first, "optimum", where) if first.get("optimum") else None,
        shared={name: first.get(name, "") for name in SHARED},
        threads=_whole(first, "threads", where) if first.get("threads") else 1,
        seeds=tuple(_whole(row, "seed", where) for row in scored),
        outcomes=tuple(row["outcome"] for row in scored),
        steps=tuple(_steps_of(row, where) for row in scored),
        level_steps=tuple(_level_steps(row, where) for row in scored),
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
        curves=tuple(map(_points, points)) if wanted.curves or target == -math.inf else (),
        trials=_trials(rows, where),
        ends=_ends(scored),
        signs=tuple({name: _points(one) for name, one in some.items()} for some in diagnostics)
        if wanted.curves
        else (),
    )


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
    return tuple((int(step), value_of(value)) for step, value in points)


def _level_steps(row: Mapping[str, str], where: str) -> tuple[float, ...]:
    try:
        return tuple(map(steps_of, _json(row, "level_steps", where)))
    except (ValueError, TypeError):
        raise OptbenchError(f"{where}: column 'level_steps' is no list of numbers") from None


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
