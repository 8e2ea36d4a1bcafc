"""`optbench init`: the table and the workflows of a project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench import __version__


def add(commands: Any) -> None:
    parser = commands.add_parser("init", help="write the table and the workflows of a project, after showing them")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="folder of the project; default: this one")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--yes", action="store_true", help="write without asking")
    answer.add_argument("--dry-run", action="store_true", help="show, and write nothing")
    parser.add_argument(
        "--action",
        default=f"pytest-optbench/pytest-optbench@v{__version__}",
        metavar="OWNER/REPOSITORY@REF",
        help="where the workflows find the action (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.report.adoption import plan_adoption  # noqa: PLC0415 - with the other lazy ones

    adoption = plan_adoption(options.folder.resolve(), action=options.action)
    sys.stdout.write(adoption.describe())
    if adoption.proposals and not options.dry_run:
        if not (options.yes or sys.stdin.isatty()):
            sys.stderr.write("optbench init: nothing is written without a terminal to ask on; give --yes\n")
            return 1
        if not (options.yes or _confirmed("\nWrite this? [y/N] ")):
            sys.stderr.write("optbench init: nothing was written\n")
            return 1
        adoption.write()
    sys.stdout.write(f"\nnext: {adoption.command}\n")
    return 0


def _confirmed(question: str) -> bool:
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
