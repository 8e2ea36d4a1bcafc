"""`optbench verify`: is a runs table what it says, as far as it can be told from here?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_optbench import SUITE_VERSION
from pytest_optbench.words.errors import OptbenchError, nearest

if TYPE_CHECKING:
    from pytest_optbench.machine.tasks.task import Task
    from pytest_optbench.words.declaration import Table
    from pytest_optbench.words.run import Run


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "verify", help="check a runs table, as a submission to a leaderboard: versions, consistency, a sample run again"
    )
    parser.add_argument("results", type=Path, metavar="CSV", help="a runs table, as of --optbench-csv")
    parser.add_argument(
        "--recipe", type=Path, metavar="TOML", help="the table that made it, optbench.toml or pyproject.toml"
    )
    parser.add_argument(
        "--sample", type=_natural, default=5, metavar="N", help="rows to run again, 0 for none (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the choice of those rows (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="for a case that is run again (default: 300)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.tasks import BUILTIN  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.tasks.larger import LARGER  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.declaration import read_table  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_numbered_runs  # noqa: PLC0415 - with the other lazy ones

    numbered = read_numbered_runs(options.results)
    if not numbered:
        raise OptbenchError(f"{options.results}: no runs")
    table = read_table(options.recipe) if options.recipe is not None else None
    tasks = {task.name: task for task in (*BUILTIN, *LARGER)}
    found = 0
    for line in (*_findings(numbered, tasks), *_reruns([one for _, one in numbered], tasks, table, options)):
        found += 1
        sys.stdout.write(harmless(f"{options.results}: {line}") + "\n")
    sys.stdout.write(f"{options.results}: {len(numbered)} rows checked, {found} findings\n")
    return 1 if found else 0


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


def _findings(numbered: Sequence[tuple[int, Run]], tasks: dict[str, Task]) -> Iterator[str]:
    """What the rows contradict."""
    from pytest_optbench.machine.tasks.registry import threshold_of  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.baseline import from_runs, shipped_rows  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.consistency import case_findings, initial_findings  # noqa: PLC0415 - the same
    from pytest_optbench.words.results import storable  # noqa: PLC0415 - the same
    from pytest_optbench.words.table import case_rows  # noqa: PLC0415 - the same

    lines = {id(one): line for line, one in numbered}
    runs = [one for _, one in numbered]
    for key, rows in case_rows(runs, trials=True).items():
        place = f"{key[0]} on {key[1]}@{key[2]}"
        sentence = _of_task(rows[0], tasks)
        if sentence:
            yield f"line {lines[id(rows[0])]}: {place}: {sentence}"
            continue
        try:
            from_runs(storable(rows))
        except OptbenchError as error:
            yield str(error)
        threshold = threshold_of(tasks[key[1]])
        references = shipped_rows(key[1], key[2])
        known = dict(zip(references[0].seeds, references[0].initial, strict=True)) if references else {}
        for one, text in (
            *case_findings(rows, suite=f"optbench-{SUITE_VERSION}", threshold=threshold),
            *initial_findings(rows, known),
        ):
            yield f"line {lines[id(one)]}: {place}, seed {one.seed}: {text}"


def _of_task(one: Run, tasks: dict[str, Task]) -> str:
    """Why a row is of no task of the suite; empty where it is of one."""
    if one.task not in tasks:
        return f"no task of the suite{nearest(one.task, tasks) if len(tasks) < 20 else ''}"
    task = tasks[one.task]
    if one.task_version != task.version:
        return f"the suite has {task.name}@{task.version}; run it again"
    return "" if one.tier == task.tier else f"tier is {one.tier!r}; the suite has {task.tier!r}"


def _reruns(
    runs: Sequence[Run], tasks: dict[str, Task], table: Table | None, options: argparse.Namespace
) -> Iterator[str]:
    """What did not come out again; what was run is told on the way."""
    from pytest_optbench.machine.rerun import NotHereError, recipe_of, repeat, sample_of  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.tasks.registry import threshold_of  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import case_rows  # noqa: PLC0415 - with the other lazy ones

    some = [one for one in sample_of(runs, options.sample, seed=options.seed) if not _of_task(one, tasks)]
    exact = count = 0
    for (recipe, task, version), rows in case_rows(some).items():
        place = f"{recipe} on {task}@{version}"
        try:
            repeated = repeat(
                rows,
                recipe_of(rows[0], table),
                tasks[task],
                threshold_of(tasks[task]),
                timeout=options.timeout,
            )
        except NotHereError as error:
            sys.stdout.write(harmless(f"{options.results}: {place}: not run again: {error}") + "\n")
            continue
        except OptbenchError as error:
            yield f"{place}: cannot be run again: {error}"
            continue
        count += len(repeated)
        exact += sum(one.exact for one in repeated)
        yield from (f"{place}, seed {one.run.seed}: {one.finding}" for one in repeated if one.finding)
    if options.sample:
        sys.stdout.write(f"{options.results}: {count} rows run again, {exact} of them to be equal to the bit\n")
