"""A picture of a landscape: contours on a scale of logarithms, and the ways of optimizers; needs matplotlib."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.landscape import Landscape, Way

INSTALL = 'pip install "pytest-optbench[plot]"'
_STYLES = (
    {"color": "#000000", "linestyle": "-", "marker": "o"},
    {"color": "#0072B2", "linestyle": "--", "marker": "s"},
    {"color": "#D55E00", "linestyle": "-.", "marker": "^"},
    {"color": "#009E73", "linestyle": ":", "marker": "D"},
)
"""Colours of Okabe and Ito, which the colour-blind can tell apart; line and marker do so in grey, too."""
_GREYS = ("#9a9a9a", "#ffffff")
_LEVELS = 17
_DECADES = 7
"""The most that contours span: below is what float32 rounds away."""


def drawable() -> bool:
    """Is matplotlib installed?"""
    return find_spec("matplotlib") is not None


def require_drawable(path: Path) -> None:
    """Raise OptbenchError where matplotlib is not installed, or does not know the suffix."""
    if not drawable():
        raise OptbenchError(f"{path}: a picture needs matplotlib; {INSTALL}")
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - an extra, and heavy

    kinds = FigureCanvasBase.get_supported_filetypes()
    if _kind(path) not in kinds:
        raise OptbenchError(f"{path}: no picture has the suffix {path.suffix!r}; expected one of {', '.join(kinds)}")


def _kind(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def draw(landscape: Landscape, path: Path) -> None:
    """Draw it into a file of the kind that its suffix says; see `require_drawable`."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy

    figure = Figure(figsize=(7.2, 5.4), dpi=150, layout="constrained")
    axes: Any = figure.add_subplot()
    _contours(figure, axes, landscape)
    for way, style in zip(landscape.ways, _STYLES, strict=False):
        _way(axes, way, style)
    mark = {"linestyle": "none", "markeredgecolor": "black", "zorder": 6}
    axes.plot(*landscape.start, marker="o", markersize=10, markerfacecolor="white", label="start", **mark)
    if landscape.optimum is not None:
        axes.plot(*landscape.optimum, marker="*", markersize=17, markerfacecolor="white", label="optimum", **mark)
    axes.set_xlim(landscape.xs[0], landscape.xs[-1])
    axes.set_ylim(landscape.ys[0], landscape.ys[-1])
    axes.set_xlabel(landscape.axes[0])
    axes.set_ylabel(landscape.axes[1])
    axes.set_title(f"{landscape.title}; markers after 1, 2, 5, 10, 20, 50, … steps", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    figure.savefig(path, format=_kind(path))


def _contours(figure: Any, axes: Any, landscape: Landscape) -> None:
    from matplotlib.colors import LinearSegmentedColormap, LogNorm  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415

    above = [[height - landscape.least for height in row] for row in landscape.heights]
    finite = [height for row in above for height in row if math.isfinite(height)]
    aim = landscape.target - landscape.least
    high = max([*finite, 10 * aim])
    low = max(aim / 10, high / 10**_DECADES)
    levels = [low * (high / low) ** (k / (_LEVELS - 1)) for k in range(_LEVELS)]
    shown = [[max(height, low) if math.isfinite(height) else high for height in row] for row in above]
    drawn = (landscape.xs, landscape.ys, shown)
    greys = LinearSegmentedColormap.from_list("greys", _GREYS)
    filled = axes.contourf(*drawn, levels=levels, norm=LogNorm(low, high), cmap=greys, extend="both")
    axes.contour(*drawn, levels=levels, colors="#808080", linewidths=0.4)
    if low < aim:
        axes.contour(*drawn, levels=[aim], colors="black", linewidths=1.2, linestyles="dotted")
        axes.add_line(Line2D([], [], color="black", linewidth=1.2, linestyle="dotted", label="target"))
    bar = figure.colorbar(filled, ax=axes, format="%.0e", ticks=levels[::2])
    bar.set_label(f"evaluation above {landscape.least:.6g}")


def _way(axes: Any, way: Way, style: dict[str, str]) -> None:
    from matplotlib.patheffects import Normal, Stroke  # noqa: PLC0415

    outcome = "missed" if way.steps is None else f"{way.steps} steps"
    (line,) = axes.plot(
        *zip(*way.points, strict=True),
        label=f"{way.name}: {outcome}",
        linewidth=1.6,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        markevery=[k for k in _marked() if k < len(way.points)],
        zorder=5,
        **style,
    )
    line.set_path_effects([Stroke(linewidth=3.2, foreground="white"), Normal()])


def _marked() -> list[int]:
    """Steps at which a way carries a marker: equal shares of a scale of logarithms."""
    return [digit * 10**exponent for exponent in range(7) for digit in (1, 2, 5)]
