"""`optbench calibrate`: targets, budgets and the reference table by the protocol."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.commands.arguments import add_choice, choice_of, count, progress
from pytest_optbench.commands.output import interrupted
from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser("calibrate", help="find targets, budgets and the reference table by the protocol")
    add_choice(parser)
    parser.add_argument(
        "--tasks", dest="more", action="append", default=[], metavar="EXPR", help="the same, as an option"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes; a task is one's own")
    parser.add_argument(
        "--missing", action="store_true", help="keep targets and budgets, and add only references that have no row yet"
    )
    parser.add_argument("--fresh", action="store_true", help="do also what an interrupted command has done already")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of thresholds.csv and reference.csv.gz, in which the rows of other tasks are kept",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.campaign import Campaign  # noqa: PLC0415 - imports torch

    chosen = choice_of(options)
    campaign = Campaign(
        tasks=chosen.tasks,
        out=options.out,
        modules=chosen.modules,
        named=chosen.named,
        root=chosen.root,
        jobs=options.jobs,
        fresh=options.fresh,
        missing=options.missing,
    )
    try:
        failures = campaign.run(progress)
    except OSError as error:
        raise OptbenchError(f"--out {options.out}: {error}") from error
    except KeyboardInterrupt:
        return interrupted()
    sys.stdout.writelines(campaign.lines_to_paste(but=failures))
    if failures:
        sys.stderr.write(f"optbench: {len(failures)} of {len(chosen.tasks)} tasks could not be calibrated; ")
        sys.stderr.write("what is done is kept, and the same command tries only these again:\n")
        sys.stderr.writelines(f"  {name}: {sentence}\n" for name, sentence in failures.items())
    return 1 if failures else 0
