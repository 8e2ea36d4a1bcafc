"""`optbench columns`: the columns of the runs table."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(commands: Any) -> None:
    parser = commands.add_parser("columns", help="document the columns of the runs table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.words.run import column_documentation  # noqa: PLC0415 - with the other lazy ones

    for name, kind, unit, text in column_documentation():
        sys.stdout.write(f"{name:22} {kind:13} {text}{f' [{unit}]' if unit else ''}\n")
    return 0
