"""Lines that rise in steps, of all entries: those that are told apart over the grey ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.collection import Entry
from pytest_optbench.report.plots.legend import Legend
from pytest_optbench.report.plots.style import ONE_COLUMN, PALE, legend_below, legend_height, new_figure

Floats = NDArray[np.float64]


def draw_steps(
    lines: Mapping[Entry, tuple[Floats, Floats]],
    legend: Legend,
    *,
    notes: Mapping[Entry, str],
    ends: tuple[float, float],
) -> tuple[Any, Any]:
    """A figure of one column and its axes: of every entry the shares reached at ascending values, from end to end."""
    used = [entry for entry in legend.looks if entry in lines]
    grey = [entry for entry in lines if entry not in legend.looks]
    names = [legend.text(entry, notes[entry]) for entry in used]
    figure = new_figure(ONE_COLUMN, 2.3 + legend_height([*names, *["others"] * bool(grey)], ONE_COLUMN))
    axes = figure.add_subplot()
    for number, entry in enumerate([*grey, *used]):
        values, shares = np.maximum(lines[entry][0], ends[0]), lines[entry][1]
        x = np.concatenate([[ends[0]], values, [max(ends[1], values[-1] if len(values) else 0.0)]])
        y = np.concatenate([[0.0], shares, [shares[-1] if len(shares) else 0.0]])
        if entry in legend.looks:
            # Markers apart from the line, at places of their own for each, so that lines that coincide are both seen.
            axes.step(x, y, where="post", **legend.looks[entry].line, zorder=3 + 0.01 * number, clip_on=True)
            _marks(axes, x, y, ends, legend, entry, used.index(entry), len(used))
        else:
            axes.step(x, y, where="post", color=PALE, linewidth=0.6, zorder=2)
    axes.set_xlim(*ends)
    axes.set_ylim(-0.02, 1.02)
    keys = [legend.key(entry) for entry in used]
    if grey:
        from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra, and heavy

        keys.append(Line2D([], [], color=PALE, linewidth=0.6))
        names.append("1 other" if len(grey) == 1 else f"{len(grey)} others")
    legend_below(figure, keys, names, width=ONE_COLUMN)
    return figure, axes


def _marks(
    axes: Any, x: Floats, y: Floats, ends: tuple[float, float], legend: Legend, entry: Entry, place: int, of: int
) -> None:
    low, high = np.log(ends[0]), np.log(ends[1])
    at = np.exp(low + (high - low) * (np.arange(5) + (place + 0.5) / of) / 5)
    heights = y[np.clip(np.searchsorted(x, at, side="right") - 1, 0, None)]
    look = legend.looks[entry]
    axes.plot(at, heights, **look.dot, markerfacecolor="white", zorder=4)
