"""`optbench accept`: what differs in results, taken over into a baseline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.commands.output import print_lines, writing


def add(commands: Any) -> None:
    parser = commands.add_parser("accept", help="take over into a baseline what differs in results")
    parser.add_argument("results", type=Path, help="a runs table, or a baseline")
    parser.add_argument("baseline", type=Path, help="the baseline; a new one if there is none")
    parser.add_argument("--remove-gone", action="store_true", help="also remove what the results lack")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.words.acceptance import accept  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.baseline import read_baseline, to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.lock import exclusive  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_results  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    found = read_results(options.results)
    with writing(options.baseline), exclusive(options.baseline):
        stored = read_baseline(options.baseline) if options.baseline.exists() else []
        accepted = accept(stored, found.rows, remove_gone=options.remove_gone)
        if accepted.sentences:
            write_atomically(options.baseline, to_csv(accepted.rows))
    print_lines(accepted.sentences)
    count = len(accepted.sentences)
    changed = f"{count} change{'' if count == 1 else 's'} taken over" if count else "nothing differs"
    sys.stdout.write(f"{options.baseline}: {changed}, {len(accepted.rows)} rows\n")
    return 0
