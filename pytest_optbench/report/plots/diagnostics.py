"""Histograms of diagnostics, with the ranges that a healthy run keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_optbench.analysis.collection import Collection, Entry
from pytest_optbench.analysis.histograms import EDGES, UNIT_EDGES, Histogram
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
from pytest_optbench.words.health import GROWTH, LARGEST_UPDATE, LEAST_UPDATE, OF_STEPS

SANE: Mapping[str, tuple[float, float]] = {
    "gradient_norm": (0.0, GROWTH),
    "update_ratio": (LEAST_UPDATE, LARGEST_UPDATE),
}
"""Of the quantities that all tasks share; a gradient's norm by the first one of its run."""
HEADER = ("entry", "quantity", "from", "to", "count", "share", "values", "zero", "negative", "not_finite")
PER_PAGE = 12
MOST_PAGES = 4

Found = Mapping[str, Mapping[Entry, Histogram]]


def drawings(collection: Collection, legend: Legend) -> Iterator[Drawing]:
    found = {
        name: some
        for name, some in sorted(collection.histograms.items(), key=lambda item: (item[0] not in SANE, item[0]))
        if any(one.count for one in some.values())
    }
    if not found:
        raise Undrawable("no run has diagnostics")
    for name, quantities, more in pages("diagnostics", list(found), PER_PAGE, most=MOST_PAGES):
        own = {quantity: found[quantity] for quantity in quantities}
        yield Drawing(
            name,
            draw=lambda own=own: _draw(own, legend),  # type: ignore[misc]
            caption=_caption(own, legend, more),
            header=HEADER,
            rows=list(_rows(own, legend)),
        )


def _caption(found: Found, legend: Legend, more: str) -> str:
    unsound = sum(one.infinite for some in found.values() for one in some.values())
    return (
        "Diagnostics over all tasks, seeds and recorded steps: share of values in each bin. gradient_norm is relative "
        "to the first one of its run. Grey: outside of the range that is sane for every task (gradient_norm up to "
        f"{GROWTH:g} times the first; update_ratio, the norm of a step by that of the parameters, from "
        f"{LEAST_UPDATE:g} while there is a gradient to {LARGEST_UPDATE:g}); other quantities are sane while they are "
        "finite, and have ranges of their own in some tasks, which are not in the table. Values beyond the ends of the "
        f"axis are in its outermost bins; {unsound} values are not finite. Zeros and values that are not finite are in "
        "no bin of a scale of logarithms, and are counted in the CSV beside the figure."
        f"{legend.caption(grey=False)}{more}"
    )


def _rows(found: Found, legend: Legend) -> Iterator[Sequence[object]]:
    for name, some in found.items():
        share = _is_share(name, some)
        edges = UNIT_EDGES if share else EDGES
        for entry, one in some.items():
            for k, count in enumerate(one.unit if share else one.decades):
                if count:
                    ends = (float(edges[k]), float(edges[k + 1]))
                    rest = (one.count, one.zero, one.negative, one.infinite)
                    yield (legend.names[entry], name, *ends, int(count), count / one.count, *rest)


def _draw(found: Found, legend: Legend) -> Any:
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    width = ONE_COLUMN if columns == 1 else TWO_COLUMNS
    used = [entry for entry in legend.looks if any(entry in some for some in found.values())]
    names = [legend.text(entry) for entry in used]
    figure = new_figure(width, 0.15 + 1.75 * rows + legend_height(names, width))
    for number, (name, some) in enumerate(found.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_title(shown(name) + (" / first" if name == "gradient_norm" else ""))
        _panel(axes, name, some, legend)
    figure.supylabel("share of values", fontsize="medium")
    legend_below(figure, [legend.key(entry, marked=False) for entry in used], names, width=width)
    return figure


def _is_share(name: str, some: Mapping[Entry, Histogram]) -> bool:
    return name not in OF_STEPS and all(one.is_share for one in some.values())


def _panel(axes: Any, name: str, some: Mapping[Entry, Histogram], legend: Legend) -> None:
    share = _is_share(name, some)
    edges = UNIT_EDGES if share else EDGES
    seen = np.zeros(len(edges) - 1, dtype=bool)
    for entry, one in some.items():
        counts = one.unit if share else one.decades
        seen |= counts > 0
        axes.stairs(counts / max(one.count, 1), edges, **legend.looks[entry].line, linewidth=1.1)
    axes.set_ylim(bottom=0)
    if share:
        axes.set_xlim(0, 1)
        return
    places = np.flatnonzero(seen)
    low, high = (edges[places[0]], edges[places[-1] + 1]) if len(places) else (0.1, 10.0)
    for bound, beyond in zip(SANE.get(name, ()), ("below", "above"), strict=False):
        # A range far from every value is not worth the room that it takes: its bound is drawn within two decades.
        if 0 < bound < math.inf and low / 100 <= bound <= high * 100:
            low, high = min(low, bound / 3), max(high, bound * 3)
            ends = (EDGES[0], bound) if beyond == "below" else (bound, EDGES[-1])
            axes.axvspan(*ends, color="#dddddd", linewidth=0, zorder=0)
            axes.axvline(bound, color=DARK, linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    logarithmic(axes.xaxis)
