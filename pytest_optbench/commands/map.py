"""`optbench map`: an optimizer on the grid of Schaul et al."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

from pytest_optbench.commands.arguments import count, progress
from pytest_optbench.commands.output import print_lines, writing
from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser("map", help="run an optimizer on the grid of Schaul et al.: a table and a picture")
    parser.add_argument(
        "optimizer", help='"module:Class" or "module:Class(momentum=0.9)"; values are written as in TOML'
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of map.csv and map.png")
    parser.add_argument("--lr", type=_rate, nargs="+", metavar="LR", help="learning rates; default: 1e-5 to 1e1")
    parser.add_argument(
        "--sample",
        type=partial(count, noun="variants"),
        metavar="N",
        help="so many variants only; default: all, or 40 for an optimizer that is not element-wise",
    )
    parser.add_argument("--variants", default="", metavar="EXPR", help="only these: names, words and patterns")
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.schaul_map import plan_map, run_map  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.map_picture import draw, require_matplotlib  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.colours import SHEET, summary  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.declaration import parse_option  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    try:
        require_matplotlib()
        drawn = True
    except OptbenchError as error:
        drawn = False
        progress(f"optbench: {error}")
    with contextlib.redirect_stdout(sys.stderr):  # of what an optimizer prints
        plan = plan_map(
            parse_option(options.optimizer, option="optbench map"),
            root=Path.cwd(),
            rates=options.lr,
            expression=options.variants,
            sample=options.sample,
        )
        if plan.reason:
            progress(f"optbench: every run has an instance of its own ({plan.reason}): a sample of the variants")
        rows = run_map(plan, jobs=options.jobs, report=progress)
    with writing(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out / "map.csv", SHEET.to_csv(rows))
        if drawn:
            draw(rows, options.out / "map.png", title=plan.declaration.name)
    print_lines(summary(rows))
    return 0


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no learning rate; expected a number of at least 0")
    return rate
