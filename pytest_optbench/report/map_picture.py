"""The picture of a map: a strip for every shape, in the colours of Schaul et al. 2013 (arXiv 1312.6055), figure 3.

In a strip, every column is a variant and every row a learning rate, the largest on top; variants are in the order of
their noise, then their scale, then what else is done to them. Below, the colours' shares at every learning rate.
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
_PANELS = 3
"""Columns of strips."""
_LABEL_LENGTH = 46


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


def draw(rows: Sequence[MapRow], path: Path, *, title: str) -> None:
    """Write the picture as PNG. Raises OptbenchError where matplotlib is missing."""
    require_matplotlib()
    agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
    figures: Any = importlib.import_module("matplotlib.figure")
    found, rates = strips(rows), rates_of(rows)
    per_panel = -(-len(found) // _PANELS)
    cell = 0.022 * max(1.0, 13 / len(rates))
    height = 2.6 + per_panel * (cell * len(rates) + 0.16)
    figure = figures.Figure(figsize=(16, max(height, 5.0)), layout="constrained")
    agg.FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=[max(height - 2.4, 2.0), 2.4])
    above.suptitle(f"{title}: {sum(strip.width for strip in found)} variants, {_rates_text(rates)}", fontsize=12)
    _draw_strips(above, found, per_panel)
    _draw_shares(below, rows, rates)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_strips(figure: Any, found: Sequence[Strip], per_panel: int) -> None:
    axes = figure.subplots(per_panel, _PANELS, squeeze=False)
    widest = max(strip.width for strip in found)
    for k in range(per_panel * _PANELS):
        axis = axes[k % per_panel][k // per_panel]
        axis.set_axis_off()
        if k < len(found):
            axis.imshow(_pixels(found[k], widest), aspect="auto", interpolation="nearest")
            axis.set_title(_shortened(found[k].label), fontsize=6, loc="left", pad=1.5)


def _pixels(strip: Strip, width: int) -> list[list[tuple[int, int, int]]]:
    """The largest learning rate on top, and paper where the strip is shorter than others."""
    blank = [_PAPER] * (width - strip.width)
    return [[PAINT[colour] for colour in row] + blank for row in reversed(strip.colours)]


def _draw_shares(figure: Any, rows: Sequence[MapRow], rates: Sequence[float | None]) -> None:
    axis = figure.subplots()
    found = shares(rows)
    bottom = [0.0] * len(rates)
    for colour, meaning in COLOURS.items():
        heights = [share[colour] for share in found]
        paint = tuple(part / 255 for part in PAINT[colour])
        axis.bar(range(len(rates)), heights, bottom=bottom, color=paint, width=0.85, label=meaning)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axis.set_xticks(range(len(rates)), ["no lr" if rate is None else f"{rate:g}" for rate in rates], fontsize=7)
    axis.set_xlabel("learning rate", fontsize=8)
    axis.set_ylabel("share of variants", fontsize=8)
    axis.set_ylim(0, 1)
    axis.tick_params(axis="y", labelsize=7)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False, reverse=True)


def _rates_text(rates: Sequence[float | None]) -> str:
    if rates == [None]:
        return "no learning rate"
    ends = f"{rates[0]:g} to {rates[-1]:g} (top)" if len(rates) > 1 else f"{rates[0]:g}"
    return f"{len(rates)} learning rate{'s' if len(rates) > 1 else ''} {ends}"


def _shortened(label: str) -> str:
    return label if len(label) <= _LABEL_LENGTH else f"{label[: _LABEL_LENGTH - 1]}…"
