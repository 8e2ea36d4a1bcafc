"""What several commands share: how they write, to the terminal and to files."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_optbench.words.errors import OptbenchError


def print_lines(lines: Iterable[str]) -> None:
    """Lines that hold what came out of a file."""
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones

    sys.stdout.writelines(f"{harmless(line)}\n" for line in lines)


def document(text: str) -> None:
    """A text that goes into a file: the same bytes on every system."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(text)


def interrupted() -> int:
    """What a command that can be taken up again says at Ctrl-C; returns its exit code."""
    sys.stderr.write("optbench: interrupted; what is done is kept, and the same command goes on from there\n")
    return 130


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Where `path` is written: a failure is a mistake in the arguments."""
    try:
        yield
    except OSError as error:
        raise OptbenchError(f"{path}: cannot be written ({error.strerror})") from error
