"""Sensitivity to the learning rate: what every rate that tuning tried made of the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pytest_optbench.analysis.collection import Collection, Entry
from pytest_optbench.analysis.sensitivity import Rate, sensitivity
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable
from pytest_optbench.report.plots.style import ONE_COLUMN, legend_below, legend_height, logarithmic, new_figure

HEADER = ("entry", "lr", "tasks", "solved_while_tuned", "share_solved", "chosen", "share_chosen", "median_ratio")


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    found = {entry: some for entry in collection.shown if (some := sensitivity(collection, entry))}
    if not found:
        raise Undrawable("no trials of tuning that differ in the learning rate alone")
    yield Drawing(
        "sensitivity",
        draw=lambda: _draw(found, legend),
        caption=_caption(found, legend),
        header=HEADER,
        rows=[
            (legend.names[entry], one.rate, one.tasks, one.solved, one.solved / one.tasks, *_chosen(one), one.ratio)
            for entry, some in found.items()
            for one in some
        ],
    )


def _chosen(one: Rate) -> tuple[int, float]:
    return one.chosen, one.chosen / one.tasks


def _caption(found: Mapping[Entry, list[Rate]], legend: Legend) -> str:
    tasks = sorted({max(one.tasks for one in some) for some in found.values()})
    number = f"{tasks[0]}" if len(tasks) == 1 else f"{tasks[0]} to {tasks[-1]}"
    return (
        f"Sensitivity to the learning rate, from the trials of tuning on {number} task{'s' * (number != '1')}. Top: "
        "share of tasks that the median of the trials' seeds solves before the trial is stopped. Middle: share of "
        "tasks for which tuning chose the rate. Bottom: median, over the tasks that it solves, of its steps by those "
        "of the best rate. Trials are stopped early: the worse half after a quarter and after half of the budget, and "
        "all once one rate has solved the task on every seed. So the top is no share of tasks that a rate would solve "
        "in the end but of those where it keeps up with the best, and the ratios leave out what was stopped."
        + legend.caption(grey=False)
    )


def _draw(found: Mapping[Entry, list[Rate]], legend: Legend) -> Any:
    names = [legend.text(entry) for entry in found]
    figure = new_figure(ONE_COLUMN, 4.0 + legend_height(names, ONE_COLUMN))
    panels = figure.subplots(3, 1, sharex=True)
    for entry, some in found.items():
        look = legend.looks[entry].marked
        rates = [one.rate for one in some]
        panels[0].plot(rates, [one.solved / one.tasks for one in some], **look)
        panels[1].plot(rates, [one.chosen / one.tasks for one in some], **look)
        panels[2].plot(rates, np.array([one.ratio for one in some]), **look)
    for axes, label in zip(panels, ("solved while tuned", "chosen", "steps / best rate's"), strict=True):
        axes.set_ylabel(label)
        axes.set_xscale("log")
        logarithmic(axes.xaxis)
    for axes in panels[:2]:
        axes.set_ylim(-0.04, max(1.04, 0))
    ratios = [one.ratio for some in found.values() for one in some if one.ratio == one.ratio]
    panels[2].set_yscale("log", base=2)
    panels[2].set_ylim(0.9, max(2.0, 1.15 * max(ratios, default=2.0)))
    logarithmic(panels[2].yaxis, base=2)
    panels[2].set_xlabel("learning rate")
    figure.align_ylabels(panels)
    legend_below(figure, [legend.key(entry) for entry in found], names, width=ONE_COLUMN)
    return figure
