"""A sheet: a CSV table of one frozen dataclass; sorted, exact, harmless when opened in a spreadsheet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from pytest_optbench.words.errors import OptbenchError

Row = TypeVar("Row")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOWN = 60
"""Characters of a cell that an error sentence quotes."""


def column(doc: str, *, unit: str = "", volatile: bool = False, default: Any = None, required: bool = False) -> Any:
    """A column: its documentation, its unit, and whether it may differ between two runs of the same code."""
    metadata = {"doc": doc, "unit": unit, "volatile": volatile}
    return field(default=MISSING if required else default, metadata=metadata)


@dataclass(frozen=True)
class Sheet(Generic[Row]):
    """How a frozen dataclass becomes a table and is read back; its fields are the columns, in their order.

    A column of type `str` is text, of `int` or `float` a number, and of `tuple[...]` a JSON list of the one or the
    other, in which null is None. A field without a default must be in the header.
    """

    row: type[Row]
    noun: str
    schema: int
    key: Callable[[Row], Any]
    """What the rows are sorted by."""

    def to_csv(self, rows: Iterable[Row], *, key: Callable[[Row], Any] | None = None) -> str:
        """The rows as CSV text, sorted by key, or by another one. Numbers round-trip exactly (`repr`)."""
        names = list(self._kinds)
        rows = sorted(rows, key=key or self.key)
        cells = [[_cell(self._kinds[name], getattr(row, name)) for name in names] for row in rows]
        return "".join(map(_line, [names, *cells]))

    def from_csv(self, text: str, *, where: str) -> list[Row]:
        """The rows of a CSV text. Raises OptbenchError, with `where`, line and column, for anything unreadable."""
        return [row for _, row in self.numbered(text, where=where)]

    def numbered(self, text: str, *, where: str) -> list[tuple[int, Row]]:
        """The rows of a CSV text, each with the line it ends in, counted from 1. Raises as `from_csv` does."""
        reader = csv.reader(io.StringIO(text))
        try:
            return self._rows(reader, where)
        except csv.Error as error:
            raise OptbenchError(f"{where}, line {reader.line_num}: no CSV ({error})") from error

    def read(self, path: Path) -> list[Row]:
        """The rows of a CSV file; OptbenchError when it cannot be read."""
        return self.from_csv(read_text(path, self.noun), where=str(path))

    @property
    def _kinds(self) -> dict[str, str]:
        return {declared.name: str(declared.type) for declared in fields(self.row)}  # type: ignore[arg-type]

    def _rows(self, reader: Any, where: str) -> list[tuple[int, Row]]:
        header = next(reader, None)
        if header is None:
            raise OptbenchError(f"{where}: empty file; expected the header of an optbench {self.noun}")
        required = [one.name for one in fields(self.row) if one.default is MISSING]  # type: ignore[arg-type]
        for name in ("schema", *required):
            if name not in header:
                raise OptbenchError(f"{where}: no column {name!r} in the header; expected an optbench {self.noun}")
        rows = []
        for cells in reader:
            line = f"{where}, line {reader.line_num}"
            if len(cells) != len(header):
                raise OptbenchError(f"{line}: {len(cells)} cells where the header has {len(header)}; truncated?")
            rows.append((reader.line_num, self._parse(dict(zip(header, cells, strict=True)), line)))
        return rows

    def _parse(self, cells: dict[str, str], where: str) -> Row:
        try:
            schema = int(cells["schema"])
        except ValueError:
            raise OptbenchError(f"{where}: schema is {cells['schema']!r}; expected a number") from None
        if schema > self.schema:
            raise OptbenchError(
                f"{where}: schema {schema} is newer than {self.schema}, the newest this version reads; upgrade"
            )
        kinds = self._kinds
        return self.row(
            **{
                name: _value(kinds[name], text, f"{where}: column {name!r}")
                for name, text in cells.items()
                if name in kinds
            }
        )


def read_text(path: Path, noun: str) -> str:
    """The text of a file, which is compressed if its name ends in `.gz`; OptbenchError when it cannot be read."""
    try:
        # Not Path.read_text, which would make a line feed of every carriage return.
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise OptbenchError(f"{path}: cannot read the {noun} ({error})") from error


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    # The csv module puts quotes around what ends a line, and only that: both characters, so that neither gets lost.
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _cell(kind: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return defused(str(value)) if kind == "str" else str(value)


def defused(text: str) -> str:
    """A text as a cell that is no formula to a spreadsheet; reading takes the quote off again."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def undefused(text: str) -> str:
    """The text of a text cell as it was written from."""
    return text[1:] if text.startswith("'") else text


def _value(kind: str, text: str, where: str) -> object:
    if kind == "str":
        return undefused(text)
    if kind.startswith("tuple["):
        return _values(kind.removeprefix("tuple[").removesuffix(", ...]"), text, where)
    if text == "" and kind.endswith(" | None"):
        return None
    try:
        return int(text) if kind.startswith("int") else float(text)
    except ValueError:
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        raise OptbenchError(f"{where} is {shown!r}; expected a number") from None


def _values(kind: str, text: str, where: str) -> tuple[object, ...]:
    noun = {"str": "texts", "int": "whole numbers"}.get(kind.partition(" ")[0], "numbers")
    try:
        values = json.loads(text)
        if not isinstance(values, list):
            raise TypeError(text)
        return tuple(None if value is None and kind.endswith(" | None") else _element(kind, value) for value in values)
    except (ValueError, TypeError, OverflowError, RecursionError):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise OptbenchError(f"{where} is {shown!r}; expected a JSON list of {noun}") from None


def _element(kind: str, value: object) -> object:
    accepted = {"str": (str,), "int": (int,), "float": (int, float)}[kind.partition(" ")[0]]
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise TypeError(value)
    if not kind.startswith("float"):
        return value
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(number)
    return number
