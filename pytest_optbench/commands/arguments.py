"""What several commands share: numbers among the arguments, and lines of progress."""

from __future__ import annotations

import argparse
import sys


def count(text: str, noun: str = "processes") -> int:
    """A whole number from 1 on, as argparse's `type`."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {noun}; expected at least 1")
    return int(text)


def progress(line: str) -> None:
    """Say a line where it is in no output's way."""
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones

    sys.stderr.write(f"{harmless(line)}\n")
    sys.stderr.flush()
