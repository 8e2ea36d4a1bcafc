"""A stored baseline: its rows as a comparison looks them up, and what saving makes of them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_optbench.words.baseline import BaselineRow, Key, read_baseline, to_csv
from pytest_optbench.words.difference import first_difference
from pytest_optbench.words.errors import OptbenchError, inert
from pytest_optbench.words.fingerprint import from_json
from pytest_optbench.words.lock import exclusive
from pytest_optbench.words.table import write_atomically

Place = tuple[str, str, int, str]


@dataclass(frozen=True)
class Stored:
    """The rows of a baseline. `label` is what sentences call it: a file, or a commit."""

    label: str
    rows: tuple[BaselineRow, ...]

    @cached_property
    def cases(self) -> Mapping[Key, BaselineRow]:
        return {row.key: row for row in self.rows if row.kind == "case"}

    @cached_property
    def fingerprints(self) -> Mapping[tuple[str, str], BaselineRow]:
        """By recipe and configuration."""
        return {(row.recipe, row.configuration): row for row in self.rows if row.kind == "fingerprint"}

    def case(self, key: Key) -> BaselineRow | None:
        """The row of a case; else of its latest other version, which nothing is compared with but that is news."""
        others = [other for other in self.cases if other[:2] == key[:2]]
        return self.cases.get(key) or (self.cases[max(others)] if others else None)


def read_stored(path: Path, *, label: str, strict: bool = True) -> Stored:
    """Read a baseline that is to be compared with. Raises OptbenchError for anything that it cannot be used for.

    What is to be written over need not be `strict`: readable is enough.
    """
    try:
        stored = Stored(label, tuple(read_baseline(path)))
    except OptbenchError as error:
        raise OptbenchError(inert(str(error))) from error
    for row in stored.rows if strict else ():
        try:
            if row.kind == "fingerprint":
                from_json(row.fingerprint, where=f"fingerprint of {row.recipe} {row.configuration}")
            else:
                first_difference(row, row)  # looks at the curve
                hyperparameters(row)
        except OptbenchError as error:
            raise OptbenchError(inert(f"{path}: {error}")) from error
    return stored


def hyperparameters(row: BaselineRow) -> dict[str, Any]:
    """The hyperparameters of a row. Raises OptbenchError where they are no JSON object."""
    try:
        found = json.loads(row.hyperparameters)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        shown = row.hyperparameters if len(row.hyperparameters) <= 40 else f"{row.hyperparameters[:40]}..."
        raise OptbenchError(
            f"{row.recipe} on {row.task}@{row.task_version}: column 'hyperparameters' is {shown!r}; "
            "expected a JSON object"
        )
    return found


def tuned_values(row: BaselineRow, search: Mapping[str, tuple[Any, ...]]) -> dict[str, Any] | None:
    """What was once tuned, for the names that are open; None unless the row has a value of the right kind for each."""
    known = hyperparameters(row)
    if row.regime != "tuned" or not search.keys() <= known.keys():
        return None
    values = {name: tuple(known[name]) if isinstance(known[name], list) else known[name] for name in search}
    return values if all(_is_like(value, search[name]) for name, value in values.items()) else None


def _is_like(value: Any, candidates: tuple[Any, ...]) -> bool:
    """Is it one of the candidates, or a finite number where those are numbers? The grid may have changed since."""
    numbers = [one for one in (value, *candidates) if isinstance(one, int | float) and not isinstance(one, bool)]
    return value in candidates or (len(numbers) == 1 + len(candidates) and math.isfinite(value))


def updated(
    stored: Iterable[BaselineRow],
    found: Iterable[BaselineRow],
    *,
    only_new: bool = False,
    gone: Collection[Place] = (),
) -> list[BaselineRow]:
    """The stored rows with the found ones in their places; what was not found stays, unless it is known to be gone.

    Another version of a found task goes. With `only_new` no row is replaced or removed; only missing ones are added.
    """
    kept = {row.place: row for row in stored}
    for row in found:
        if only_new:
            kept.setdefault(row.place, row)
            continue
        for place in [place for place in kept if _subject(place) == _subject(row.place)]:
            del kept[place]
        kept[row.place] = row
    return [row for place, row in kept.items() if only_new or place not in gone]


def _subject(place: Place) -> tuple[str, str, str]:
    recipe, task, _, configuration = place
    return recipe, task, configuration


def save(
    path: Path, found: Iterable[BaselineRow], *, only_new: bool = False, gone: Collection[Place] = ()
) -> list[BaselineRow]:
    """Update the file, or make it; returns those of the found rows that were written.

    Two processes that save to one file at once both end up in it. Raises OptbenchError when the file cannot be read,
    OSError when it cannot be written.
    """
    found = list(found)
    with exclusive(path):
        before = read_baseline(path) if path.exists() else []
        after = updated(before, found, only_new=only_new, gone=gone)
        write_atomically(path, to_csv(after))
    there = {row.place for row in before} if only_new else set()
    return [row for row in found if row.place not in there]
