"""`optbench admit`: tasks against the rules of admission."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.commands.arguments import add_choice, choice_of, count, progress
from pytest_optbench.commands.output import print_lines, writing


def add(commands: Any) -> None:
    parser = commands.add_parser("admit", help="test tasks against the rules of admission; a table of what was found")
    add_choice(parser)
    parser.add_argument("--full", action="store_true", help="all seeds of the rules; minutes, not seconds")
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes; a task is one's own")
    parser.add_argument(
        "--csv", type=Path, metavar="PATH", help="also write what was found as CSV, a row for each rule"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.admission import FULL, REDUCED  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.admitting import Admitting  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.admission import admission_lines  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.admission import to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    chosen = choice_of(options)
    admitting = Admitting(
        tasks=chosen.tasks,
        grid=FULL if options.full else REDUCED,
        modules=chosen.modules,
        named=chosen.named,
        root=chosen.root,
        jobs=options.jobs,
    )
    found = {}
    interrupted = False
    try:
        for name, findings in admitting.run(progress):
            found[name] = findings
    except KeyboardInterrupt:
        interrupted = True
    ordered = {task.name: found[task.name] for task in chosen.tasks if task.name in found}
    print_lines(admission_lines(ordered, of=len(chosen.tasks)))
    every = [one for findings in ordered.values() for one in findings]
    if options.csv is not None:
        with writing(options.csv):
            write_atomically(options.csv, to_csv(every))
    if interrupted:
        sys.stderr.write("optbench: interrupted\n")
        return 130
    return 0 if all(one.passed for one in every) else 1
