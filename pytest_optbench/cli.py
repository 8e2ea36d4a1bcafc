"""The `optbench` command: what can be done without a test session."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from pytest_optbench import SUITE_VERSION, __version__
from pytest_optbench.commands import MODULES
from pytest_optbench.words.errors import OptbenchError


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 for a finding, 2 for a mistake in the arguments.

    A finding is a task that is not admitted, a fingerprint that is not the stored one, a comparison that fails, or
    files that are not written.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # formulas in docstrings, on a console that lacks their characters
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except OptbenchError as error:
        sys.stderr.write(f"optbench: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="optbench", description="The tasks and checks of pytest-optbench.")
    parser.add_argument("--version", action="version", version=f"pytest-optbench {__version__}, suite {SUITE_VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in MODULES:
        importlib.import_module(f"pytest_optbench.commands.{name}").add(commands)
    return parser
