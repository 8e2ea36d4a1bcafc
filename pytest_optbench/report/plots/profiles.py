"""Performance profiles over tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pytest_optbench.analysis.collection import Collection, Entry
from pytest_optbench.analysis.profiles import Ratio, profile, ratios
from pytest_optbench.report.figures import counted
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable, task_counts
from pytest_optbench.report.plots.lines import draw_steps
from pytest_optbench.report.plots.style import DARK, logarithmic

LEAST, MOST = 1 / 16, 64.0
"""The ends of the axis, at most."""


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    found = {entry: some for entry in collection.entries if (some := ratios(collection, entry))}
    if not found:
        raise Undrawable("none of the tasks is in the reference table, whose steps the ratios are relative to")
    yield Drawing(
        "profiles",
        draw=lambda: _draw(collection, found, legend),
        caption=_caption(collection, found, legend),
        header=("entry", "task", "task_version", "median_steps", "best_reference_steps", "ratio"),
        rows=[
            (legend.names[entry], *one.task, one.steps, one.best, one.ratio) for entry, some in found.items()
            for one in some
        ],
    )  # fmt: skip


def _caption(collection: Collection, found: Mapping[Entry, list[Ratio]], legend: Legend) -> str:
    same = collection.same_tasks(list(found))
    counts = sorted({len(some) for some in found.values()})
    spread = counted(counts[0], "task") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} tasks"
    left_out = len({key for entry in found for key in collection.cases[entry]}) - len(
        {one.task for some in found.values() for one in some}
    )
    return (
        "Performance profiles (Dolan and Moré 2002): for every ratio r, the share of tasks that are solved within r "
        "times the steps of the best reference. Steps are medians over seeds; the best reference is that of the frozen "
        "reference table with the fewest steps on the task, of those that evaluate one gradient a step, each tuned for "
        "the task; so r below 1 means fewer steps than any of these. A task that is missed counts as infinity: a line "
        "stays below 1 by the share of misses. "
        f"{spread[0].upper()}{spread[1:]}. "
        + (f"{counted(left_out, 'task')} without a reference that solves it left out. " if left_out else "")
        + ("" if same else "Entries were run on different tasks, and their lines cannot be compared. ")
        + f"The ratio axis ends at {MOST:g}."
        + legend.caption(grey=True)
    )


def _draw(collection: Collection, found: Mapping[Entry, list[Ratio]], legend: Legend) -> Any:
    values = {entry: np.array([one.ratio for one in some]) for entry, some in found.items()}
    finite = np.concatenate([some[np.isfinite(some)] for some in values.values()])
    low = max(min(2 ** math.floor(math.log2(max(finite.min(initial=1.0), LEAST))), 0.5), LEAST)
    high = min(max(2 ** math.ceil(math.log2(max(finite.max(initial=1.0), 1.0)) + 0.01), 4.0), MOST)
    notes = task_counts(collection, lambda entry: len(found[entry]), list(found))
    figure, axes = draw_steps(
        {entry: profile(some) for entry, some in values.items()}, legend, notes=notes, ends=(low, high)
    )
    axes.axvline(1.0, color=DARK, linewidth=0.7, linestyle=":")
    axes.set_xscale("log", base=2)
    logarithmic(axes.xaxis, base=2)
    axes.set_xlabel("steps / steps of the best reference")
    axes.set_ylabel("share of tasks")
    return figure
