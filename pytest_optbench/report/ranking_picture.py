"""The picture of a leaderboard: a row for each optimizer, a panel for each tier, scores with their intervals.

All panels have the same order of rows, that of the small tier where most are ranked there: who is good on one tier and
not on another is seen at once. Needs matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from pytest_optbench.analysis.board import REGIMES, Board, Place
from pytest_optbench.report.leaderboard import labelled
from pytest_optbench.report.plots.style import LOOKS, TWO_COLUMNS, new_figure, shown, styled

ROW = 0.125
"""Inches."""
FRAME = 0.75
"""Inches that titles and the axis take."""
LONGEST = 34


def pictures(boards: Sequence[Board]) -> dict[str, str]:
    """A picture as SVG for each suite and regime, by a name for its file; none where nobody is ranked."""
    groups: dict[tuple[str, str], list[Board]] = {}
    for board in boards:
        if board.rankings[0].places:
            groups.setdefault((board.suite, board.regime), []).append(board)
    found: dict[str, str] = {}
    for (_, told), some in groups.items():
        regime = told if told in REGIMES else "other"  # a table may say whatever it likes, and this is a file's name
        names = (f"scores-{regime}{'' if k == 1 else f'-{k}'}" for k in range(1, len(groups) + 1))
        found[next(name for name in names if name not in found)] = draw(some)
    return found


def draw(boards: Sequence[Board]) -> str:
    """The picture of boards of one suite and regime as SVG. Names of files are drawn as text, never as formulas."""
    panels = [dict(labelled(board.rankings[0])) for board in boards]
    rows = _rows(boards, panels)
    with styled():
        figure = new_figure(TWO_COLUMNS, FRAME + ROW * len(rows))
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for k, (axes, board, panel) in enumerate(zip(every, boards, panels, strict=True)):
            _panel(axes, rows, panel, LOOKS[k % len(LOOKS)].color)
            axes.set_title(f"{board.tier} tier, {len(board.rankings[0].tasks)} tasks")
        every[0].set_yticks(range(len(rows)), [shown(name, LONGEST) for name in rows], fontsize=5.5)
        every[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.supxlabel(f"score, {boards[0].regime} hyperparameters, with 95 % interval", fontsize=7.5)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _rows(boards: Sequence[Board], panels: Sequence[dict[str, Place]]) -> list[str]:
    """All names: first, by score, those of the tier that ranks most (of two alike the small one); then the others."""
    most = max(range(len(boards)), key=lambda k: (len(panels[k]), boards[k].tier == "small"))
    return list(dict.fromkeys([*panels[most], *(name for panel in panels for name in panel)]))


def _panel(axes: Any, rows: Sequence[str], panel: dict[str, Place], color: str) -> None:
    ranked = [(k, panel[name]) for k, name in enumerate(rows) if name in panel]
    heights = [k for k, _ in ranked]
    axes.hlines(heights, [place.low for _, place in ranked], [place.high for _, place in ranked], color, linewidth=0.9)
    axes.plot([place.score for _, place in ranked], heights, "o", color=color, markersize=2.6)
    axes.set_xlim(left=0)
    axes.margins(x=0.03)
    axes.tick_params(axis="y", length=0)
