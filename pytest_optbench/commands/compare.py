"""`optbench compare`: two files of results, compared as the gate does."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from pytest_optbench.commands.output import document, print_lines, width
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, FAIL_ON, Gate, parse_fail_on


def add(commands: Any) -> None:
    parser = commands.add_parser("compare", help="compare two files of results, as the gate does; 1 if it fails")
    parser.add_argument("before", type=Path, help="a baseline, or a runs table")
    parser.add_argument("after", type=Path, help="what is compared with it: a runs table, or a baseline")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="print Markdown")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    parser.add_argument(
        "--fail-on",
        default=",".join(sorted(DEFAULT_FAIL_ON)),
        metavar="WORDS",
        help=f"what fails, with commas: {', '.join(FAIL_ON)} (default: %(default)s)",
    )
    parser.add_argument("--alpha", type=float, default=Gate.alpha, help="chance of a false alarm, for each recipe")
    parser.add_argument("--tolerance", type=float, default=Gate.tolerance, help="share of steps that is no change")
    parser.add_argument("--partial", action="store_true", help="the second file is of a part of the suite: none gone")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.report.comparison import comparison_lines, to_json  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.markdown import markdown  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_results  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.review import review  # noqa: PLC0415 - with the other lazy ones

    found = review(
        read_results(options.before),
        read_results(options.after),
        alpha=options.alpha,
        tolerance=options.tolerance,
        fail_on=parse_fail_on(options.fail_on, where="--fail-on"),
        full=not options.partial,
    )
    if options.form == "json":
        document(to_json(found))
    elif options.form == "markdown":
        accept = shlex.join(["optbench", "accept", str(options.after), str(options.before)])
        document(markdown(found, accept=accept))
    else:
        print_lines(line.text for line in comparison_lines(found, width=width()))
    return 0 if found.passed else 1
