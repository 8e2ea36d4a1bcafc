"""`optbench claims`: the table of an optimizer with the claims that hold."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    parser = commands.add_parser("claims", help="print the table of an optimizer, with the claims that hold, to paste")
    parser.add_argument("optimizer", help='"module:Class" or "module:Class(lr=0.1)"; values are written as in TOML')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.profile import profile  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.loading import load_recipe  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.declaration import parse_option  # noqa: PLC0415 - with the other lazy ones

    declaration = parse_option(options.optimizer, option="optbench claims")
    with contextlib.redirect_stdout(sys.stderr):  # of what an optimizer prints
        text = profile(load_recipe(declaration, root=Path.cwd(), tasks=()), path=str(declaration.optimizer))
    sys.stdout.write(text)
    return 0
