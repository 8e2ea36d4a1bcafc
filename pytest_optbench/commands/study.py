"""`optbench study`: every optimizer of a table over a tier, a runs table each; goes on where it was cut short."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_optbench.commands.arguments import count, progress
from pytest_optbench.commands.output import interrupted
from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "study",
        help="run many optimizers, each in a process of its own, for a leaderboard",
        description="Run every optimizer of a table over the tasks of a tier. What is open is tuned. Each optimizer "
        "leaves DIR/NAME.csv; the same command goes on after an interruption, and tries again what failed.",
    )
    parser.add_argument(
        "table", nargs="?", type=Path, help="optbench.toml or pyproject.toml; the list of the package unless given"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the runs tables")
    parser.add_argument("--tier", default="small", choices=("unit", "small", "full"), help="(default: %(default)s)")
    parser.add_argument("--tasks", default="", metavar="EXPR", help="names, tags and patterns with and/or/not")
    parser.add_argument("--seeds", type=partial(count, noun="seeds"), metavar="N", help="seeds of a case; default: 32")
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="only these optimizers of the table, in this order",
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes at a time")
    parser.add_argument(
        "--together",
        type=partial(count, noun="optimizers"),
        default=1,
        metavar="N",
        help="optimizers to a process, which saves traces; what fails is tried alone the next time (default: 1)",
    )
    parser.add_argument(
        "--timeout", type=float, default=3600.0, metavar="SECONDS", help="for an optimizer (default: 3600)"
    )
    parser.add_argument(
        "--case-timeout", type=float, default=300.0, metavar="SECONDS", help="for one task of it (default: 300)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.study import Study  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.declaration import PLACES, read_table  # noqa: PLC0415 - with the other lazy ones

    if options.table is not None and options.table.name not in PLACES:
        raise OptbenchError(f"{options.table}: expected an optbench.toml or a pyproject.toml, as pytest reads no other")
    study = Study(
        table=read_table(options.table or shipped_list()),
        out=options.out,
        tier=options.tier,
        tasks=options.tasks,
        seeds=options.seeds,
        only=options.only,
        jobs=options.jobs,
        together=options.together,
        timeout=options.timeout,
        case_timeout=options.case_timeout,
    )
    try:
        failures = study.run(progress)
    except KeyboardInterrupt:
        return interrupted()
    for name, sentence in failures.items():
        progress(f"optbench: {name}: {sentence}")
    if any(options.out.glob("*.csv")):
        sys.stdout.write(f"next: optbench leaderboard {options.out}/*.csv --with-references --out site\n")
    return 1 if failures else 0


def shipped_list() -> Path:
    """The table of the optimizers of the leaderboard."""
    return Path(str(resources.files("pytest_optbench.data").joinpath("leaderboard", "optbench.toml")))
