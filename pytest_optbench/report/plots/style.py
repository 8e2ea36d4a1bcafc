"""The style of all figures: sizes of a paper's columns, and lines that can be told apart in grey, too."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pytest_optbench.report.inert import one_line

ONE_COLUMN = 3.35
"""Inches."""
TWO_COLUMNS = 7.0
PAGE = 9.0
"""The greatest height of a figure."""
LONGEST_LABEL = 30
RASTER = 300
"""Dots per inch of a PNG."""
GREY = "#a8a8a8"
"""Of what is not told apart."""
PALE = "#cfcfcf"
"""The same for lines, of which there may be hundreds."""
DARK = "#4d4d4d"
LINE = 1.2

SETTINGS: Mapping[Any, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 7.5,
        "axes.titlesize": 7.5,
        "axes.labelsize": 7.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "grid.color": "#e4e4e4",
        "grid.linewidth": 0.5,
        "lines.linewidth": LINE,
        "lines.markersize": 3.6,
        "lines.markeredgewidth": 0.7,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.width": 0.4,
        "ytick.minor.width": 0.4,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "legend.frameon": False,
        "legend.handlelength": 3.2,
        "pdf.fonttype": 42,  # TrueType: publishers refuse type 3
        "ps.fonttype": 42,
        "svg.hashsalt": "optbench",  # the same bytes every time
        "svg.fonttype": "path",
        "savefig.dpi": RASTER,
        "path.simplify": True,
    }
)


@dataclass(frozen=True)
class Look:
    """How an entry is drawn in every figure."""

    color: str
    dash: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.color, "linestyle": self.dash}

    @property
    def marked(self) -> dict[str, Any]:
        return {**self.line, "marker": self.marker, "markerfacecolor": "white"}

    @property
    def dot(self) -> dict[str, Any]:
        return {"color": self.color, "marker": self.marker, "linestyle": "none"}


LOOKS = (
    Look("#0072B2", "-", "o"),
    Look("#D55E00", (0, (4.5, 1.5)), "s"),
    Look("#009E73", (0, (1.2, 1.2)), "^"),
    Look("#000000", (0, (5, 1.2, 1.2, 1.2)), "D"),
    Look("#CC79A7", (0, (8, 2)), "v"),
    Look("#E69F00", (0, (3, 1, 1, 1, 1, 1)), "P"),
    Look("#56B4E9", (0, (2, 2)), "X"),
)
"""Colours of Okabe and Ito (2008) but the yellow, which is too light for a line on white."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """What is drawn and saved within has this style, whatever the machine's own settings are."""
    import matplotlib  # noqa: PLC0415 - an extra, and heavy

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes; that is no news to anybody.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def new_figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and heavy

    return Figure(figsize=(width, height), layout="constrained")


def shown(text: str, longest: int = LONGEST_LABEL) -> str:
    """A text from a file as a label: on one line, not too long, and neither formula nor, by a first "_", invisible."""
    return "\u200a" * text.startswith("_") + one_line(text, longest=longest).replace("$", r"\$")


def logarithmic(axis: Any, *, base: int = 10) -> None:
    """Plain numbers on an axis of logarithms, once its limits are set; powers of ten where they get long."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - an extra, and heavy

    low, high = axis.get_view_interval()
    close = base == 10 and high < 30 * low
    axis.set_major_locator(LogLocator(base=base, subs=(1.0, 2.0, 5.0) if close else (1.0,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """A number as short as it can be.

    >>> [plain(value) for value in (0.25, 1000.0, 1e-07, 0.0)]
    ['0.25', '1000', '$10^{-7}$', '0']
    """
    if value == 0 or 1e-3 < abs(value) < 1e4:
        return f"{value:g}"
    exponent = math.log10(abs(value))
    if not math.isclose(exponent, round(exponent), abs_tol=1e-6):
        return f"{value:.0e}"
    return f"{'-' if value < 0 else ''}$10^{{{round(exponent)}}}$"


def legend_below(figure: Any, handles: Sequence[Any], names: Sequence[str], *, width: float) -> None:
    """A legend under all panels, in as many columns as fit the width."""
    columns = _legend_columns(names, width)
    figure.legend(handles, names, loc="outside lower center", ncols=columns, columnspacing=1.2, handletextpad=0.5)


def legend_height(names: Sequence[str], width: float) -> float:
    """Inches that a legend below takes."""
    return 0.1 + 0.15 * math.ceil(len(names) / _legend_columns(names, width))


def _legend_columns(names: Sequence[str], width: float) -> int:
    longest = max(map(len, names), default=1)
    return max(1, min(len(names), int(width / (0.62 + 0.063 * longest))))


def key_line(look: Look, *, marked: bool = False) -> Any:
    """What stands for an entry in a legend."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra, and heavy

    return Line2D([], [], **(look.marked if marked else look.line))
