"""The files of a figure: PDF, SVG and PNG, its caption as text, and the numbers behind it as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_optbench.report.plots.style import styled
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.sheet import defused
from pytest_optbench.words.table import write_atomically, write_bytes_atomically

METADATA = {
    "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": "pytest-optbench"},
    "svg": {"Date": None, "Creator": "pytest-optbench"},
    "png": {"Software": None},
}
"""By kind of file, without anything that differs between two days or two machines."""


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet."""

    name: str
    """Of its files, without a suffix."""
    draw: Callable[[], Any]
    """Makes a figure of matplotlib."""
    caption: str
    header: Sequence[str]
    rows: Iterable[Sequence[object]]
    """The numbers that are drawn."""


def save(drawing: Drawing, folder: Path) -> list[Path]:
    """Write the files of a figure into a folder that exists; the same drawing gives the same bytes."""
    written = []
    with styled():
        figure = drawing.draw()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # as it is now, in every kind of file
        for kind, metadata in METADATA.items():
            out = io.BytesIO()
            figure.savefig(out, format=kind, metadata=metadata)
            written.append(_path(folder, drawing.name, kind))
            write_bytes_atomically(written[-1], out.getvalue())
    for kind, text in (("txt", f"{drawing.caption}\n"), ("csv", sheet(drawing.header, drawing.rows))):
        written.append(_path(folder, drawing.name, kind))
        write_atomically(written[-1], text)
    return written


def _path(folder: Path, name: str, kind: str) -> Path:
    return folder / f"{name}.{kind}"


def sheet(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV text. Texts are no formulas to a spreadsheet; numbers round-trip; what there is not is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(float(value))
    return defused(str(value))


def make_folder(folder: Path) -> None:
    """Raise OptbenchError where there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptbenchError(f"{folder}: cannot be a folder for figures ({error.strerror})") from error
