"""`optbench report`: runs tables as one HTML page."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import write_atomically


def add(commands: Any) -> None:
    """Define the command."""
    parser = commands.add_parser("report", help="show runs tables on one HTML page, to be opened without a network")
    parser.add_argument("tables", nargs="+", type=Path, metavar="CSV", help="runs tables, as of --optbench-csv")
    parser.add_argument("--out", type=Path, required=True, metavar="PAGE", help="the .html file to write")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page; raises OptbenchError where a table cannot be read, or the page not be written."""
    from pytest_optbench.analysis.cases import reference_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.reading import read_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.machine.tasks.registry import all_tasks  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.page.document import page  # noqa: PLC0415 - imports numpy

    tables, out = list(options.tables), options.out
    if any(out.resolve() == table.resolve() for table in tables):
        raise OptbenchError(f"{out}: the page would replace the table that it is made of; give --out another name")
    text = page(
        lambda: read_cases(tables, curves=True),
        references=reference_cases(),
        tags={task.name: task.tags for task in all_tasks().values()},
        command=f"optbench report {shlex.join(map(str, tables))} --out {shlex.quote(str(out))}",
    )
    try:
        write_atomically(out, text)
    except OSError as error:
        raise OptbenchError(f"{out}: cannot write the page ({error.strerror or error})") from error
    sys.stdout.write(f"{out}: {out.stat().st_size / 1e6:.1f} MB\n")
    return 0
