"""Loss curves: of every task a panel, with the median and the quartiles over seeds, the target and the budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_optbench.analysis.collection import Collection, Drawn, Entry, TaskKey
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable, pages
from pytest_optbench.report.plots.style import (
    DARK,
    ONE_COLUMN,
    TWO_COLUMNS,
    Look,
    legend_below,
    legend_height,
    logarithmic,
    new_figure,
    plain,
    shown,
)

COLUMNS, ROWS = 3, 4
"""Panels of a page."""
MOST_PAGES = 20
ROOM = 30.0
"""The most that a scale of logarithms goes below the target, as a factor."""

HEADER = (
    *("entry", "task", "task_version", "step", "lower_quartile", "median", "upper_quartile"),
    *("seeds", "optimum", "target", "budget"),
)


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    if not collection.drawn:
        raise Undrawable("no run has a curve")
    for name, tasks, more in pages("curves", list(collection.drawn), COLUMNS * ROWS, most=MOST_PAGES):
        panels = {key: collection.drawn[key] for key in tasks}
        yield Drawing(
            name,
            draw=lambda panels=panels: _draw(panels, legend),  # type: ignore[misc]
            caption=_caption(panels, legend, more),
            header=HEADER,
            rows=list(_rows(panels, legend)),
        )


def _caption(panels: Mapping[TaskKey, Mapping[Entry, Drawn]], legend: Legend, more: str) -> str:
    known = [key for key, some in panels.items() if next(iter(some.values())).optimum is not None]
    above = "all panels" if len(known) == len(panels) else ", ".join(f"{name}@{version}" for name, version in known)
    seeds = sorted({one.seeds for some in panels.values() for one in some.values()})
    return (
        "Evaluation against steps. Lines: median over seeds; bands: from the lower to the upper quartile "
        f"({' or '.join(map(str, seeds))} seeds). Dotted: the target; dashed, upright: the budget. "
        + (f"Shown above the optimum: {above}. " if known else "")
        + "Once a seed's record has ended, at the target as a rule, its last value counts on, so a line that goes on "
        "level below the target is one of runs that are over. A line ends where most seeds have diverged. Steps are on "
        "a scale that is linear up to the first evaluation and logarithmic from there."
        f"{legend.caption(grey=False)}{more}"
    )


def _rows(panels: Mapping[TaskKey, Mapping[Entry, Drawn]], legend: Legend) -> Iterator[Sequence[object]]:
    for (task, version), some in panels.items():
        for entry, one in some.items():
            band = one.curve
            for step, low, middle, high in zip(band.steps, band.low, band.median, band.high, strict=True):
                values = (legend.names[entry], task, version, step, low, middle, high)
                yield (*values, one.seeds, one.optimum, one.target, one.budget)


def _draw(panels: Mapping[TaskKey, Mapping[Entry, Drawn]], legend: Legend) -> Any:
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    width = ONE_COLUMN if columns == 1 else TWO_COLUMNS
    used = [entry for entry in legend.looks if any(entry in some for some in panels.values())]
    names = [*(legend.text(entry) for entry in used), "target", "budget"]
    height = 0.2 + rows * (2.2 if columns == 1 else 2.4 if columns == 2 else 1.75)
    figure = new_figure(width, height + legend_height(names, width))
    for number, ((task, _), some) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_title(shown(task))
        _panel(axes, some, legend)
        if number > len(panels) - columns:
            axes.set_xlabel("steps")
    figure.supylabel("evaluation", fontsize="medium")
    legend_below(figure, [*(legend.key(entry) for entry in used), *_marks()], names, width=width)
    return figure


def _marks() -> list[Any]:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra, and heavy

    return [
        Line2D([], [], color=DARK, linestyle=":", linewidth=0.9),
        Line2D([], [], color=DARK, linestyle="--", linewidth=0.7),
    ]


def _panel(axes: Any, some: Mapping[Entry, Drawn], legend: Legend) -> None:
    first = next(iter(some.values()))
    floor = first.optimum if first.optimum is not None else 0.0
    heights = [value - floor for one in some.values() for value in one.curve.median if math.isfinite(value)]
    aim = first.target - floor
    # Without a known optimum, a scale of logarithms is for what stays above 0.
    log = aim > 0 and (first.optimum is not None or min(heights, default=1.0) > 0)
    lowest = max(min([aim, *(height for height in heights if height > 0)]) / 1.5, aim / ROOM) if log else -math.inf
    for number, (entry, one) in enumerate(some.items()):
        # Markers at places of their own for each, so that lines that coincide are both seen.
        marked = (0.04 + 0.24 * number / len(some), 0.24)
        _line(axes, one, legend.looks[entry], (floor, lowest), marked)
    axes.axhline(aim, color=DARK, linestyle=":", linewidth=0.9)
    axes.axvline(first.budget, color=DARK, linestyle="--", linewidth=0.7)
    _scale_steps(axes, first)
    highest = max([aim, *heights])
    if log:
        axes.set_yscale("log")
        axes.set_ylim(lowest, max(highest * 2, lowest * 10))
        logarithmic(axes.yaxis)
    else:
        span = max(highest - min([aim, *heights]), 1e-12)
        axes.set_ylim(min([aim, *heights]) - 0.08 * span, highest + 0.08 * span)


def _line(axes: Any, one: Drawn, look: Look, bottom: tuple[float, float], marked: tuple[float, float]) -> None:
    floor, lowest = bottom
    steps = np.array(one.curve.steps)
    low, middle, high = (
        np.maximum(np.array(values) - floor, lowest / 10 if lowest > 0 else -math.inf)
        for values in (one.curve.low, one.curve.median, one.curve.high)
    )
    ceiling = np.where(np.isfinite(high), high, 1e300)  # a quarter of the seeds is beyond everything that is shown
    axes.fill_between(
        steps, low, ceiling, where=np.isfinite(low), color=look.color, alpha=0.18, linewidth=0, rasterized=False
    )
    middle[~np.isfinite(middle)] = math.nan
    if np.isnan(middle).all():
        return
    axes.plot(steps, middle, **look.marked, markevery=marked, label="_")


def _scale_steps(axes: Any, first: Drawn) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415 - an extra

    unit = max(first.eval_every, 1)
    axes.set_xscale("symlog", linthresh=unit, linscale=0.35)
    axes.set_xlim(0, max(first.budget, unit) * 1.15)
    powers = range(math.ceil(math.log10(unit)), math.ceil(math.log10(max(first.budget, unit) * 1.15)))
    axes.xaxis.set_major_locator(FixedLocator([0.0, *(10.0**power for power in powers)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axes.xaxis.set_minor_locator(NullLocator())
