"""`optbench tasks`: the tasks as a list, or one of them in full, with a picture."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.commands.arguments import add_choice, choice_of
from pytest_optbench.commands.output import writing
from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser("tasks", help="list tasks with target, budget and tags; or show one in full")
    add_choice(parser)
    parser.add_argument(
        "--plot", type=Path, metavar="PATH", help="draw the one task, if it has two parameters, into this .png or .svg"
    )
    parser.add_argument("--markdown", action="store_true", help="print the list as a Markdown table, with sources")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.listing import describe, markdown, table  # noqa: PLC0415 - imports torch

    chosen = choice_of(options)
    one = chosen.one
    if one is None:
        if options.plot is not None:
            raise OptbenchError(
                "--plot: a picture is of one task; name it, as in: optbench tasks rosenbrock2 --plot PATH"
            )
        sys.stdout.write(markdown(chosen.tasks) if options.markdown else table(chosen.tasks))
        return 0
    if options.plot is not None:
        _draw(one, options.plot)
    sys.stdout.write(describe(one, _more(one, options)))
    return 0


def _draw(task: Any, path: Path) -> None:
    from pytest_optbench.machine.landscape import landscape  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.picture import draw, require_drawable  # noqa: PLC0415 - with the other lazy ones

    require_drawable(path)
    with writing(path):
        draw(landscape(task), path)


def _more(task: Any, options: argparse.Namespace) -> dict[str, str]:
    """Facts about a task that are found on this machine."""
    from pytest_optbench.machine.cost import spelled_cost  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.tasks.task import parameter_count  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.picture import INSTALL, drawable  # noqa: PLC0415 - with the other lazy ones

    more = {"cost": spelled_cost(task)}
    if options.plot is not None:
        more["picture"] = str(options.plot)
    elif parameter_count(task) == 2:
        more["picture"] = f"optbench tasks {shlex.join(options.choice)} --plot {task.name}.png"
        more["picture"] += "" if drawable() else f"  (after {INSTALL})"
    return more
