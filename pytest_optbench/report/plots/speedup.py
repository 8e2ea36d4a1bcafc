"""Speed-up over AdamW of the reference table, by tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_optbench.analysis.collection import Collection, Entry
from pytest_optbench.analysis.speedup import CLIP, REFERENCE, RESAMPLES, SEED, SpeedUp, speed_ups
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.legend import Legend, Undrawable
from pytest_optbench.report.plots.style import (
    DARK,
    LOOKS,
    ONE_COLUMN,
    PAGE,
    TWO_COLUMNS,
    logarithmic,
    new_figure,
    shown,
)

MOST = 50
"""Entries that are drawn: what fits a page."""
LONGEST_OF_ONE_COLUMN = 16
TIERS = ("unit", "small", "full")
HEADER = ("entry", "tier", "speed_up", "low", "high", "tasks", "pairs", "pairs_that_both_miss")


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    best = collection.ranked[:MOST]
    found = {entry: some for entry in best if (some := speed_ups(collection, entry))}
    if not found:
        raise Undrawable(f"no seed of a task for which the reference table has {REFERENCE}")
    yield Drawing(
        "speedup",
        draw=lambda: _draw(found, legend),
        caption=_caption(found, collection, legend),
        header=HEADER,
        rows=[
            (legend.names[entry], one.tier, one.ratio, one.low, one.high, one.tasks, one.pairs, one.both_missed)
            for entry, some in found.items()
            for one in some
        ],
    )


def _caption(found: Mapping[Entry, list[SpeedUp]], collection: Collection, legend: Legend) -> str:
    tasks = {tier: sorted({one.tasks for one in some}) for tier, some in _by_tier(found).items()}
    spread = "; ".join(
        f"{tier}: {counts[0]}{f' to {counts[-1]}' * (len(counts) > 1)}" for tier, counts in tasks.items()
    )
    return (
        f"Speed-up over tuned {REFERENCE} of the reference table: 2 means half the steps to the target. Every seed of "
        f"a task is paired with the same seed of {REFERENCE}; its score is log2 of the ratio of steps, from -{CLIP:g} "
        f"to {CLIP:g}. A miss where {REFERENCE} gets there is -{CLIP:g}, as if it took {2**CLIP:g} times the steps, "
        f"and the other way round {CLIP:g}; pairs that both miss are left out. Dots: interquartile mean of the scores "
        "(Agarwal et al. 2021), that is without their lowest and highest quarter, so a dot says nothing of the worst "
        "quarter of the tasks. Bars: 95 % percentile bootstrap interval, seeds resampled within each task "
        f"({RESAMPLES} resamples, generator seed {SEED}); they tell of the choice of seeds, not of that of tasks. "
        f"Number of tasks, by tier: {spread}; each tier is by itself."
        + ("" if collection.same_tasks(list(found)) else " Entries were run on different tasks; do not compare them.")
        + (f" The best {MOST} of {len(legend.names)} entries." if len(legend.names) > MOST else "")
        + _regimes(legend)
    )


def _regimes(legend: Legend) -> str:
    untuned = {entry.regime for entry in legend.names} - {"tuned"}
    note = f" {REFERENCE} is tuned for every task, and {' and '.join(sorted(untuned))} entries are not."
    return legend.caption(grey=True) + (note if untuned else "")


def _by_tier(found: Mapping[Entry, list[SpeedUp]]) -> dict[str, list[SpeedUp]]:
    every = [one for some in found.values() for one in some]
    tiers = sorted({one.tier for one in every}, key=lambda tier: (TIERS.index(tier) if tier in TIERS else 9, tier))
    return {tier: [one for one in every if one.tier == tier] for tier in tiers}


def _draw(found: Mapping[Entry, list[SpeedUp]], legend: Legend) -> Any:
    tiers = list(_by_tier(found))
    names = [legend.text(entry) for entry in found]
    narrow = len(tiers) < 3 and len(found) <= 12 and max(map(len, names)) <= LONGEST_OF_ONE_COLUMN
    figure = new_figure(ONE_COLUMN if narrow else TWO_COLUMNS, min(0.85 + 0.165 * len(found), PAGE))
    panels = figure.subplots(1, len(tiers), sharey=True, squeeze=False)[0]
    every = [one for some in found.values() for one in some]
    low, high = min(one.low for one in every), max(one.high for one in every)
    for axes, tier in zip(panels, tiers, strict=True):
        for row, (entry, some) in enumerate(found.items()):
            for one in (one for one in some if one.tier == tier):
                look = legend.looks.get(entry, LOOKS[0])
                color = legend.color(entry)
                axes.plot([one.low, one.high], [row, row], color=color, linewidth=1.1, solid_capstyle="butt")
                axes.plot([one.ratio], [row], color=color, marker=look.marker, linestyle="none", markersize=4)
        axes.axvline(1.0, color=DARK, linewidth=0.7, linestyle=":")
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(low / 1.15, 1 / 2), max(high * 1.15, 2.0))
        logarithmic(axes.xaxis, base=2)
        axes.set_title(f"tier {shown(tier)}" if tier else "")
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(found)), names)
    panels[0].set_ylim(len(found) - 0.4, -0.6)
    label = f"times as fast as {REFERENCE}"
    if len(panels) == 1:
        panels[0].set_xlabel(label)
    else:
        figure.supxlabel(label, fontsize="medium")
    return figure
