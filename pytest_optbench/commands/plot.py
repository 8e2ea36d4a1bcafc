"""`optbench plot`: the figures of runs tables, for a paper."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    plot = commands.add_parser(
        "plot", help="draw the figures of runs tables: PDF, SVG, PNG, a caption, and the numbers behind each"
    )
    plot.add_argument("tables", nargs="+", type=Path, metavar="CSV", help="runs tables, or tables of optbench map")
    plot.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the figures")
    plot.add_argument(
        "--only",
        default="",
        metavar="NAMES",
        help="curves, profiles, ecdf, sensitivity, speedup, ert, diagnostics, map; several with commas; default: all",
    )
    plot.add_argument(
        "--references",
        default="",
        metavar="NAMES",
        help="draw these shipped references, too, as in AdamW,SGD-momentum; or all",
    )
    plot.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.picture import require_drawable  # noqa: PLC0415 - with the other lazy ones

    require_drawable(options.out / "curves.pdf")
    from pytest_optbench.report.plots.book import chosen_figures, write_book  # noqa: PLC0415 - imports numpy

    names = chosen_figures(options.only, where="--only")
    references = [name for part in options.references.split(",") if (name := part.strip())]
    for one in write_book(options.tables, options.out, names=names, references=references):
        sys.stdout.write(f"{harmless(one.line)}\n")
        sys.stdout.flush()
    return 0
