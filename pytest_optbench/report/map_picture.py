"""The picture of a map: a strip for every shape, in the colours of Schaul et al. 2013 (arXiv 1312.6055), figure 3.

In a strip, every column is a variant and every row a learning rate, the largest on top; variants are in the order of
the grid: by their noise, then their scale, then what else is done to them. Below, the colours' shares at every
learning rate.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_optbench.words.colours import COLOURS, MapRow
from pytest_optbench.words.errors import OptbenchError

PAINT: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (215, 48, 39),
        "violet": (140, 80, 180),
        "orange": (252, 141, 60),
        "yellow": (250, 220, 90),
        "green": (60, 170, 90),
        "blue": (50, 110, 200),
        "grey": (205, 205, 205),
    }
)
_PAPER = (255, 255, 255)
WIDTH = 404
"""Of the canvas, in variants: strips of 160 and of 64 leave little of a row."""
LEAST_SLOT = 62
"""Of a strip, for its label."""
GAP = 6
LABEL = 7
"""Lines over a strip, for its label."""


@dataclass(frozen=True)
class Size:
    """Of a picture, in inches, and of its texts, in points."""

    width: float
    line: float
    """Of a row of pixels."""
    head: float
    foot: float
    """For the shares, below."""
    title: float
    label: float
    text: float
    tick: float
    label_length: int
    """Characters over a strip."""
    slant: float = 0.0
    """Of the learning rates, in degrees: where there is no room for them side by side."""


SCREEN = Size(16, 1 / 26, 0.6, 2.8, title=12, label=6, text=8, tick=7, label_length=34)
PRINT = Size(7, 1 / 56, 0.3, 2.25, title=8, label=4.6, text=7, tick=6.5, label_length=26, slant=60)
"""Two columns of a paper."""


def require_matplotlib() -> None:
    """Raise OptbenchError with what to install, if there is nothing to draw with."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise OptbenchError(
            "no picture without matplotlib; install it with: pip install pytest-optbench[plot]"
        ) from None


@dataclass(frozen=True)
class Strip:
    """The colours of one shape: by learning rate from the smallest on, then by variant."""

    label: str
    colours: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        return len(self.colours[0])


def strips(rows: Sequence[MapRow]) -> list[Strip]:
    """The rows of one map, by dimension and shape in the order that they come in."""
    rates = rates_of(rows)
    shapes: dict[str, dict[str, dict[float | None, str]]] = {}
    for row in rows:
        label = f"{row.dimension}-D {row.shape}"
        shapes.setdefault(label, {}).setdefault(row.variant, {})[row.lr] = row.colour
    return [
        Strip(label, tuple(tuple(found[rate] for found in variants.values()) for rate in rates))
        for label, variants in shapes.items()
    ]


def rates_of(rows: Sequence[MapRow]) -> list[float | None]:
    """The learning rates, from the smallest on; only None for an optimizer without one."""
    return sorted({row.lr for row in rows}, key=lambda rate: -1.0 if rate is None else rate)


def shares(rows: Sequence[MapRow]) -> list[dict[str, float]]:
    """By learning rate from the smallest on, the share of every colour."""
    counts = {rate: Counter(row.colour for row in rows if row.lr == rate) for rate in rates_of(rows)}
    return [{colour: count[colour] / count.total() for colour in COLOURS} for count in counts.values()]


def places(found: Sequence[Strip], width: int = WIDTH) -> list[tuple[int, int]]:
    """Row and first column of every strip, side by side in their order, as many in a row as the width allows.

    >>> places([Strip("a", (("red",) * 200,)), Strip("b", (("red",) * 190,)), Strip("c", (("red",),))])
    [(0, 0), (0, 206), (1, 0)]
    """
    row = column = 0
    taken = []
    for strip in found:
        slot = max(strip.width, LEAST_SLOT)
        if column and column + slot > width:
            row, column = row + 1, 0
        taken.append((row, column))
        column += slot + GAP
    return taken


def draw(rows: Sequence[MapRow], path: Path, *, title: str) -> None:
    """Write the picture as PNG. Raises OptbenchError where matplotlib is missing."""
    picture(rows, title=title).savefig(path, dpi=110, metadata={"Software": None})


def picture(rows: Sequence[MapRow], *, title: str, size: Size = SCREEN) -> Any:
    """The picture as a figure of matplotlib. Raises OptbenchError where that is missing."""
    require_matplotlib()
    agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
    figures: Any = importlib.import_module("matplotlib.figure")
    found, rates = strips(rows), rates_of(rows)
    pixels, labels = _canvas(found, len(rates))
    above = len(pixels) * size.line
    whole = size.head + above + size.foot
    figure = figures.Figure(figsize=(size.width, whole))
    agg.FigureCanvasAgg(figure)
    heading = f"{title}: {_counted(found, rates)}"
    figure.text(0.02, 1 - size.head / 2 / whole, heading, fontsize=size.title, va="center")
    axis = figure.add_axes((0.02, size.foot / whole, 0.96, above / whole))
    axis.set_axis_off()
    axis.imshow(pixels, aspect="auto", interpolation="nearest")
    for column, line, label in labels:
        axis.text(column - 0.5, line - 1, _shortened(label, size.label_length), fontsize=size.label, va="bottom")
    left, width = (0.05, 0.55) if size.width > PRINT.width else (0.07, 0.38)
    low, room = (0.55, 0.85) if size.width > PRINT.width else (0.74, 0.86)
    _draw_shares(figure.add_axes((left, low / whole, width, (size.foot - room) / whole)), rows, rates, size)
    return figure


def _canvas(found: Sequence[Strip], rates: int) -> tuple[list[list[tuple[int, int, int]]], list[tuple[int, int, str]]]:
    """All strips as pixels, the largest learning rate on top of each, and the column and line of every label."""
    taken = places(found)
    depth = rates + LABEL
    pixels = [[_PAPER] * WIDTH for _ in range(depth * (taken[-1][0] + 1))]
    labels = []
    for strip, (row, column) in zip(found, taken, strict=True):
        top = row * depth + LABEL
        labels.append((column, top, strip.label))
        for line, colours in enumerate(reversed(strip.colours), start=top):
            pixels[line][column : column + strip.width] = [PAINT[colour] for colour in colours]
    return pixels, labels


def _draw_shares(axis: Any, rows: Sequence[MapRow], rates: Sequence[float | None], size: Size) -> None:
    found = shares(rows)
    bottom = [0.0] * len(rates)
    for colour, meaning in COLOURS.items():
        heights = [share[colour] for share in found]
        paint = tuple(part / 255 for part in PAINT[colour])
        axis.bar(range(len(rates)), heights, bottom=bottom, color=paint, width=0.85, label=meaning)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axis.set_xticks(range(len(rates)), ["no lr" if rate is None else f"{rate:g}" for rate in rates], fontsize=size.tick)
    axis.tick_params(axis="x", labelrotation=size.slant)
    axis.set_xlabel("learning rate", fontsize=size.text)
    axis.set_ylabel("share of variants", fontsize=size.text)
    axis.set_ylim(0, 1)
    axis.tick_params(axis="y", labelsize=size.tick)
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=size.text, frameon=False, reverse=True)


def _counted(found: Sequence[Strip], rates: Sequence[float | None]) -> str:
    return f"{sum(strip.width for strip in found)} variants, {_rates_text(rates)}"


def _rates_text(rates: Sequence[float | None]) -> str:
    if rates == [None]:
        return "no learning rate"
    ends = f"{rates[0]:g} to {rates[-1]:g} (top)" if len(rates) > 1 else f"{rates[0]:g}"
    return f"{len(rates)} learning rate{'s' if len(rates) > 1 else ''} {ends}"


def _shortened(label: str, length: int) -> str:
    return label if len(label) <= length else f"{label[: length - 1]}…"
