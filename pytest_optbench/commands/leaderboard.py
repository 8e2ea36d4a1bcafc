"""`optbench leaderboard`: many optimizers from many runs tables, ranked, as a static site."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_optbench.words.errors import OptbenchError

if TYPE_CHECKING:
    from pytest_optbench.analysis.categories import TaskFacts

DATA = "data"
"""Folder of the site with the runs tables."""
UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")


def add(commands: Any) -> None:
    parser = commands.add_parser("leaderboard", help="rank the optimizers of runs tables: a site, a CSV, Markdown")
    parser.add_argument("files", nargs="*", type=Path, metavar="CSV", help="runs tables, as of --optbench-csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the site")
    parser.add_argument(
        "--tasks", default="", metavar="EXPR", help="rank on these tasks only: names, tags and patterns with and/or/not"
    )
    parser.add_argument(
        "--with-references", action="store_true", help="add the rows of the reference table that ships with the package"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.analysis.board import boards  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.cases import reference_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.correlation import correlations, paragraph  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.entries import entries_of  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.reading import read_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.report.correlation_picture import draw  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.figures import counted  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.leaderboard import (  # noqa: PLC0415 - with the other lazy ones
        correlation_csv,
        markdown,
        to_csv,
    )
    from pytest_optbench.report.leaderboard_page import page  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.picture import drawable  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.ranking_picture import pictures  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.threshold import shipped_thresholds  # noqa: PLC0415 - with the other lazy ones

    if not options.files and not options.with_references:
        raise OptbenchError("leaderboard: no runs tables; name some, or give --with-references")
    tasks = known_tasks(options.tasks)
    references = reference_cases() if options.with_references else []
    stream = (case for case in chain(references, read_cases(options.files)) if not options.tasks or case.task in tasks)
    data = data_names(options.files)
    entries = [
        replace(entry, source=data.get(entry.source, entry.source))
        for entry in entries_of(stream, tasks=tasks, thresholds=shipped_thresholds())
    ]
    found = boards(entries, tasks=tasks)
    pairs = correlations(found)
    text, figure = paragraph(pairs), draw(pairs) if pairs and drawable() else ""
    try:
        (options.out / DATA).mkdir(parents=True, exist_ok=True)
        for path, name in data.items():
            shutil.copyfile(path, options.out / name)
        write_atomically(options.out / "leaderboard.csv", to_csv(found))
        write_atomically(options.out / "leaderboard.md", markdown(found, paragraph=text))
        write_atomically(options.out / "index.html", page(found, figure=figure, paragraph=text))
        for name, content in (pictures(found) if drawable() else {}).items():
            write_atomically(options.out / f"{name}.svg", content)
        for name, content in (("csv", correlation_csv(pairs)), ("svg", figure)):
            if pairs and content:
                write_atomically(options.out / f"correlation.{name}", content)
    except OSError as error:
        raise OptbenchError(f"--out {options.out}: {error.strerror or error}") from error
    different = len({entry.recipe for entry in entries})  # tiers may come in files of their own
    sys.stdout.write(
        f"{options.out / 'index.html'}: {counted(different, 'optimizer')} on {counted(len(found), 'board')}\n"
    )
    return 0


def known_tasks(expression: str) -> dict[str, TaskFacts]:
    """The tasks that a leaderboard is about, by name: those of the suite and the larger ones, or some of them."""
    from pytest_optbench.analysis.categories import TaskFacts  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.machine.tasks import BUILTIN  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.tasks.larger import LARGER  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.expressions import select  # noqa: PLC0415 - with the other lazy ones

    known = {task.name: TaskFacts(task.version, task.tier, task.tags) for task in (*BUILTIN, *LARGER)}
    if not expression.strip():
        return known
    labels = {name: facts.tags | {facts.tier} for name, facts in known.items()}
    return {name: known[name] for name in select(expression, labels, where="--tasks")}


def data_names(files: Sequence[Path]) -> dict[str, str]:
    """Where the site keeps each file: under a name of plain characters that no other one has."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(files):
        stem, suffix = UNSAFE.sub("_", path.name.partition(".csv")[0]).strip(".") or "runs", path.suffix
        ending = ".csv.gz" if suffix == ".gz" else ".csv"
        names = (f"{DATA}/{stem}{'' if k == 1 else f'-{k}'}{ending}" for k in count(1))
        found[str(path)] = next(name for name in names if name not in found.values())
    return found
