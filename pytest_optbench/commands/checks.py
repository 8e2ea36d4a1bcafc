"""`optbench checks`: the checks of the contract, or one of them in full."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(commands: Any) -> None:
    parser = commands.add_parser("checks", help="list the checks of the contract, or show one in full")
    parser.add_argument("name", nargs="?", default="", help="name of a check")
    parser.add_argument("--claims", action="store_true", help="list what a recipe can claim instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.listing import (  # noqa: PLC0415 - imports torch
        checks_table,
        claims_table,
        describe_check,
    )

    text = claims_table() if options.claims else describe_check(options.name) if options.name else checks_table()
    sys.stdout.write(text)
    return 0
