"""`optbench merge`: one runs table of those of several jobs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.commands.output import document, writing


def add(commands: Any) -> None:
    parser = commands.add_parser("merge", help="make one runs table of those of several jobs")
    parser.add_argument("files", nargs="+", type=Path, metavar="CSV", help="runs tables")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="write it here, instead of printing it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.words.results import merged, read_numbered_runs  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import to_csv, write_atomically  # noqa: PLC0415 - with the other lazy ones

    runs, twice = merged([(str(path), read_numbered_runs(path)) for path in options.files])
    if options.out is None:
        document(to_csv(runs))
    else:
        with writing(options.out):
            write_atomically(options.out, to_csv(runs))
    sys.stderr.write(f"optbench: {len(runs)} runs of {len(options.files)} files; {twice} that were there twice\n")
    return 0
