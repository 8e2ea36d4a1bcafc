"""`optbench show`: the summary of a runs table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_optbench.commands.output import print_lines, width
from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser("show", help="print the summary of a runs table")
    parser.add_argument("results", type=Path, help="a runs table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.report.terminal import summary_lines  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_numbered_runs  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.threshold import shipped_thresholds  # noqa: PLC0415 - with the other lazy ones

    runs = [run for _, run in read_numbered_runs(options.results)]
    if not runs:
        raise OptbenchError(f"{options.results}: no runs")
    pars = {key: threshold.par for key, threshold in shipped_thresholds().items()}
    print_lines(line.text for line in summary_lines(runs, pars=pars, tags={}, width=width(), csv=str(options.results)))
    return 0
