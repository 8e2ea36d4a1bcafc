"""Expected running time, task by task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_optbench.analysis.collection import Collection, Entry, TaskKey
from pytest_optbench.analysis.ert import best_of_references, expected_running_time
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable, pages
from pytest_optbench.report.plots.style import (
    DARK,
    ONE_COLUMN,
    TWO_COLUMNS,
    legend_below,
    legend_height,
    logarithmic,
    new_figure,
    shown,
)

PER_PAGE = 36
MOST_PAGES = 20
FEW = 14
"""Tasks that fit a single column."""
LONGEST_OF_ONE_COLUMN = 24
HEADER = ("entry", "task", "task_version", "expected_running_time", "reached", "seeds", "budget", "best_reference")

Found = Mapping[TaskKey, Mapping[Entry, float]]


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    entries = collection.shown
    found = {
        key: {
            entry: expected_running_time(case.steps, case.budget)
            for entry in entries
            if (case := collection.cases[entry].get(key)) is not None
        }
        for key in collection.tasks(entries)
    }
    if not found:
        raise Undrawable("there are no cases")
    best = {key: best_of_references(collection, key) for key in found}
    for name, tasks, more in pages("ert", list(found), PER_PAGE, most=MOST_PAGES):
        some = {key: found[key] for key in tasks}
        yield Drawing(
            name,
            draw=lambda some=some: _draw(some, best, legend),  # type: ignore[misc]
            caption=_caption(legend, more),
            header=HEADER,
            rows=list(_rows(collection, some, best, legend)),
        )


def _rows(
    collection: Collection, found: Found, best: Mapping[TaskKey, float], legend: Legend
) -> Iterator[Sequence[object]]:
    for key, some in found.items():
        for entry, time in some.items():
            case = collection.cases[entry][key]
            reached = int((case.steps < math.inf).sum())
            yield (legend.names[entry], *key, time, reached, len(case.seeds), case.budget, best[key])


def _caption(legend: Legend, more: str) -> str:
    return (
        "Expected running time: the steps of all seeds, each miss with the whole budget, by the number of seeds that "
        "reach the target; what it takes on average if one starts again after a miss (Hansen et al. 2021). Upright "
        "bars: the best reference that evaluates one gradient a step."
        " On the right, under the sign of infinity: no seed reaches the target. A point "
        f"beyond a task's budget is one that most seeds miss.{legend.caption(grey=False)}{more}"
    )


def _draw(found: Found, best: Mapping[TaskKey, float], legend: Legend) -> Any:
    entries = [entry for entry in legend.looks if any(entry in some for some in found.values())]
    tasks, names = [shown(task) for task, _ in found], [legend.text(entry) for entry in entries]
    width = ONE_COLUMN if len(found) <= FEW and max(map(len, tasks)) <= LONGEST_OF_ONE_COLUMN else TWO_COLUMNS
    row = 0.15 + 0.012 * len(entries)
    names.append("best reference")
    figure = new_figure(width, 0.7 + row * len(found) + legend_height(names, width))
    axes = figure.add_subplot()
    times = [time for some in found.values() for time in some.values()]
    finite = [time for time in [*times, *(best[key] for key in found)] if 0 < time < math.inf]
    low, high = min(finite, default=1.0) / 1.4, max(finite, default=10.0) * 1.4
    high = max(high, low * 10)
    edge, beyond = high, high * (high / low) ** 0.04
    for place, (key, some) in enumerate(found.items()):
        if math.isfinite(best[key]):
            axes.plot([best[key]], [place], marker="|", color=DARK, markersize=8, linestyle="none", zorder=4)
        for number, entry in enumerate(entries):
            if entry in some:
                offset = 0.62 * ((number + 0.5) / len(entries) - 0.5)
                time = some[entry]
                dot = legend.looks[entry].dot
                face = {"markerfacecolor": "white"} if math.isinf(time) else {}
                axes.plot([min(max(time, low), beyond)], [place + offset], **dot, **face, zorder=3)
    if any(math.isinf(time) for time in times):
        axes.axvline(edge, color=DARK, linewidth=0.6)
        axes.text(beyond, -0.75, "∞", ha="center", va="bottom", fontsize=9)
        high = high * (high / low) ** 0.08
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    logarithmic(axes.xaxis)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_yticks(range(len(found)), tasks)
    axes.set_xlabel("expected running time (steps)")
    legend_below(figure, [*map(_dot(legend), entries), _bar()], names, width=width)
    return figure


def _dot(legend: Legend) -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra, and heavy

    return lambda entry: Line2D([], [], **legend.looks[entry].dot)


def _bar() -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra, and heavy

    return Line2D([], [], color=DARK, marker="|", markersize=8, linestyle="none")
