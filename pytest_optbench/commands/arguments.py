"""What several commands share: numbers and tasks among the arguments, and lines of progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def count(text: str, noun: str = "processes") -> int:
    """A whole number from 1 on, as argparse's `type`."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {noun}; expected at least 1")
    return int(text)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """What chooses tasks, the same for every command."""
    parser.add_argument(
        "choice",
        nargs="*",
        default=[],
        metavar="EXPR|MODULE:NAME",
        help="names, tags and patterns with and/or/not; or a task of one's own; all tasks unless given",
    )
    parser.add_argument("--module", action="append", default=[], help="also know the tasks of this module; repeatable")


def choice_of(options: argparse.Namespace) -> Any:
    """The tasks that the arguments of `add_choice` name, as a `Choice`."""
    from pytest_optbench.machine.tasks.choice import choose  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.declaration import find_table  # noqa: PLC0415 - with the other lazy ones

    table = find_table([Path.cwd()])
    modules = [*(table.task_modules if table else []), *options.module]
    # Not one destination for both: a positional argument that is not given writes its default over the option.
    choice = [*options.choice, *getattr(options, "more", ())]
    return choose(choice, modules=modules, root=Path.cwd(), where=f"optbench {options.command}")


def progress(line: str) -> None:
    """Say a line where it is in no output's way."""
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones

    sys.stderr.write(f"{harmless(line)}\n")
    sys.stderr.flush()
