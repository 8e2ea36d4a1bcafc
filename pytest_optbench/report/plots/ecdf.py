"""Empirical distribution of steps over tasks, levels and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pytest_optbench.analysis.collection import Collection, Entry, TaskKey
from pytest_optbench.analysis.ecdf import Distribution, counted_levels, distribution
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable, task_counts
from pytest_optbench.report.plots.lines import draw_steps
from pytest_optbench.report.plots.style import logarithmic

LEAST = 1 / 200
"""Of the budget: there are about 200 evaluations in it."""
MOST_ROWS = 500
"""Points of a line that are written down."""


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    levels = counted_levels(collection, collection.entries)
    found = {entry: one for entry in collection.entries if (one := distribution(collection, entry, levels)).runs}
    if not found:
        raise Undrawable("there is no run with a budget")
    yield Drawing(
        "ecdf",
        draw=lambda: _draw(collection, found, legend),
        caption=_caption(collection, found, levels, legend),
        header=("entry", "steps_by_budget", "share", "targets", "runs"),
        rows=[
            (legend.names[entry], *point, one.targets, one.runs)
            for entry, one in found.items()
            for point in _points(one)
        ],
    )


def _points(one: Distribution) -> list[tuple[float, float]]:
    """The line, at no more points than anyone reads."""
    count = len(one.lengths)
    chosen = np.linspace(0, max(count - 1, 0), min(count, MOST_ROWS)).round().astype(int)
    return [(float(one.lengths[k]), float(one.shares[k])) for k in chosen]


def _caption(
    collection: Collection, found: Mapping[Entry, Distribution], levels: Mapping[TaskKey, int], legend: Legend
) -> str:
    targets = sorted({one.targets for one in found.values()})
    number = f"{targets[0]}" if len(targets) == 1 else f"{targets[0]} to {targets[-1]}"
    return (
        "Empirical distribution of run lengths, as COCO draws it (Hansen et al. 2021): the share of all (task, level, "
        "seed) whose level is reached within a share of the task's budget. A level is a value of the evaluation; a "
        f"task has up to {max(levels.values(), default=1)} of them here, {number} in all. Counted are the levels that "
        "are not harder than the task's target, at which a record ends; harder ones only on tasks where every entry's "
        "records show them (--optbench-full-budget). Easy levels count as much as the target, so a share of 1 does not "
        "mean that everything is reached fast, and no line says how many tasks are solved."
        + ("" if collection.same_tasks(list(found)) else " Entries were run on different tasks; do not compare them.")
        + legend.caption(grey=True)
    )


def _draw(collection: Collection, found: Mapping[Entry, Distribution], legend: Legend) -> Any:
    notes = task_counts(collection, lambda entry: len(collection.cases[entry]), list(found))
    lines = {entry: (one.lengths, one.shares) for entry, one in found.items()}
    figure, axes = draw_steps(lines, legend, notes=notes, ends=(LEAST, 1.0))
    axes.set_xscale("log")
    logarithmic(axes.xaxis)
    axes.set_xlabel("steps / budget")
    axes.set_ylabel("share of (task, level, seed)")
    return figure
