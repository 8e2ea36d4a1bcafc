"""The book: all figures of some tables, written into one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_optbench.analysis.collection import Collection, collect
from pytest_optbench.report.plots import curves, diagnostics, ecdf, ert, maps, profiles, sensitivity, speedup
from pytest_optbench.report.plots.files import Drawing, make_folder, save
from pytest_optbench.report.plots.legend import Legend, Undrawable, legend_of
from pytest_optbench.words.colours import SHEET, MapRow
from pytest_optbench.words.errors import OptbenchError, require_known

FIGURES: dict[str, Callable[[Collection, Legend], Iterator[Drawing]]] = {
    "curves": curves.drawings,
    "profiles": profiles.drawings,
    "ecdf": ecdf.drawings,
    "sensitivity": sensitivity.drawings,
    "speedup": speedup.drawings,
    "ert": ert.drawings,
    "diagnostics": diagnostics.drawings,
}
MAP = "map"
NAMES = (*FIGURES, MAP)
FROM_CURVES = frozenset({"curves", "diagnostics"})


@dataclass(frozen=True)
class Written:
    """What became of one figure: its files, or why there are none."""

    name: str
    files: tuple[Path, ...] = ()
    reason: str = ""

    @property
    def line(self) -> str:
        if not self.files:
            return f"{self.name}: left out, {self.reason}"
        first = self.files[0]
        return f"{first.with_suffix('')}: {', '.join(path.suffix[1:] for path in self.files)}"


def chosen_figures(text: str, *, where: str) -> list[str]:
    """The names in a list with commas; all where it is empty. Raises OptbenchError for an unknown one."""
    names = [name for part in text.split(",") if (name := part.strip())]
    for name in names:
        require_known(name, NAMES, where=where, what="figure")
    return [name for name in NAMES if name in names] if names else list(NAMES)


def write_book(
    paths: Sequence[Path], folder: Path, *, names: Sequence[str] = NAMES, references: Sequence[str] = ()
) -> Iterator[Written]:
    """Draw the figures of runs tables and of maps, one after another. Raises OptbenchError for a table or a folder."""
    paths = list(dict.fromkeys(paths))
    found = [path for path in paths if maps.is_map(path)]
    tables = [path for path in paths if path not in found]
    maps_read = [(path, SHEET.read(path)) for path in found]
    wanted = [name for name in names if name != MAP]
    collection = None
    if tables and wanted:
        collection = collect(tables, references=references, curves=not FROM_CURVES.isdisjoint(wanted))
        if not collection.cases:
            raise OptbenchError(f"{', '.join(map(str, tables))}: no runs")
    make_folder(folder)
    if collection is not None:
        legend = legend_of(collection)
        for name in wanted:
            yield from _written(name, collection, legend, folder)
    if MAP in names:
        yield from _maps(maps_read, folder, asked=len(names) < len(NAMES))


def _written(name: str, collection: Collection, legend: Legend, folder: Path) -> Iterator[Written]:
    try:
        for drawing in FIGURES[name](collection, legend):
            yield Written(drawing.name, files=tuple(_saved(drawing, folder)))
    except Undrawable as error:
        yield Written(name, reason=str(error))


def _maps(found: Sequence[tuple[Path, list[MapRow]]], folder: Path, *, asked: bool) -> Iterator[Written]:
    if asked and not found:
        yield Written(MAP, reason="none of the files is a map, as of optbench map")
    for number, (path, rows) in enumerate(found, start=1):
        name = MAP if len(found) == 1 else f"{MAP}-{number}"
        if not rows:
            yield Written(name, reason=f"{path} has no rows")
        else:
            yield Written(name, files=tuple(_saved(maps.drawing(name, rows), folder)))


def _saved(drawing: Drawing, folder: Path) -> list[Path]:
    try:
        return save(drawing, folder)
    except OSError as error:
        raise OptbenchError(f"{folder / drawing.name}: cannot be written ({error.strerror})") from error
