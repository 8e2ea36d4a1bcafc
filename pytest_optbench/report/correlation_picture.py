"""The picture of rank correlations: a panel for each pair of tiers, a dot for each optimizer; needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from pytest_optbench.analysis.correlation import Correlation
from pytest_optbench.report.inert import one_line

INK = "#0072B2"
NAMED = 4
"""Optimizers of a panel that are named: those whose ranks differ most."""


def draw(found: Sequence[Correlation]) -> str:
    """The picture as SVG. Names of files are drawn as text, never read as formulas."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and heavy
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy

    with mpl.rc_context({"svg.hashsalt": "optbench", "text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=(3.4 * len(found), 3.5), layout="constrained")
        for k, one in enumerate(found):
            _panel(figure.add_subplot(1, len(found), k + 1), one)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _panel(axes: Any, one: Correlation) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an extra, and heavy

    first, second = one.ranks
    count = len(first)
    axes.plot([1, count], [1, count], color="#9a9a9a", linewidth=1, zorder=1)
    axes.scatter(first, second, s=16, color=INK, alpha=0.8, linewidths=0, zorder=2)
    for k in sorted(range(count), key=lambda k: -abs(first[k] - second[k]))[:NAMED]:
        axes.annotate(
            one_line(one.recipes[k], longest=24),
            (first[k], second[k]),
            xytext=(-4, 0) if first[k] < count / 2 else (4, 0),
            textcoords="offset points",
            ha="right" if first[k] < count / 2 else "left",
            va="center",
            fontsize=6,
        )
    axes.set_title(f"τ = {one.tau:.2f} ({one.low:.2f} to {one.high:.2f}), {count} optimizers", fontsize=8)
    axes.set_xlabel(f"rank, {one.first} tier ({one.regime})")
    axes.set_ylabel(f"rank, {one.second} tier")
    axes.set_xlim(0, count + 1)
    axes.set_ylim(0, count + 1)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.invert_xaxis()
    axes.invert_yaxis()
