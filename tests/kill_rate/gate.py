"""The gate on mutants: which does a baseline saved from the clean class report, and which fail as `slower` alone?

python tests/kill_rate/gate.py [--jobs N] [--only NAME] [--resume]

What the contract and the fingerprints say is in `results.csv`; the tasks of `rates.py` are run here, at their tuned
learning rates, and compared by the gate's own function. Writes `gate.csv` and the table in README.md.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from farm import Lost, farmed
from layers import case_on, run
from loading import loaded
from mutants import named
from rates import RATES
from run import RESULTS
from specimens import SPECIMENS

from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.comparison import Comparison, compare, failure
from pytest_optbench.words.gate import Gate

HERE = Path(__file__).parent
TABLE = HERE / "gate.csv"
BEGIN, END = "<!-- gate: written by gate.py -->", "<!-- end of gate -->"
SECONDS = 600.0
COLUMNS = ("mutant", "optimizer", "kind", "contract", "fingerprint", "tasks", "slower")
KINDS = {"written": "written by hand", "mechanical": "made by rule"}
SLOWER = frozenset({"slower"})
Row = Mapping[str, str]


def baseline_of(name: str, only: Collection[str] = ()) -> dict[str, BaselineRow]:
    """The rows of a clean class, by task; on these tasks, if any are named."""
    specimen = SPECIMENS[name]
    with loaded(specimen.source, specimen.name) as optimizer:
        tasks = {task: lr for task, lr in RATES.get(name, {}).items() if not only or task in only}
        return {task: from_runs(run(case_on(task, optimizer, specimen, lr)))[0] for task, lr in tasks.items()}


def comparisons(mutant: str, baselines: Mapping[str, Mapping[str, BaselineRow]]) -> dict[str, Comparison]:
    """What the gate says of a mutant, task by task."""
    one = named(mutant)
    specimen = SPECIMENS[one.specimen]
    found = {}
    with loaded(one.source, specimen.name) as optimizer:
        for task, before in baselines[specimen.name].items():
            (after,) = from_runs(run(case_on(task, optimizer, specimen, RATES[specimen.name][task])))
            found[task] = compare(before, after, Gate())
    return found


def words(found: Mapping[str, Comparison] | Lost) -> tuple[str, str]:
    """The change of every task, and the tasks that fail where `slower` is all that does."""
    if isinstance(found, Lost):
        return f"lost: {found.reason.strip().splitlines()[-1]}", ""
    told = {task: "broken" if one.after and one.after.broken else one.change for task, one in found.items()}
    slower = [task for task, one in found.items() if failure(one, SLOWER, full=True)]
    return " ".join(f"{task}:{word}" for task, word in told.items()), " ".join(slower)


def reported(row: Row) -> bool:
    """Does anything of a gate with a baseline tell the mutant from the clean class?"""
    moved = any(not one.endswith(":unchanged") for one in row["tasks"].split())
    return bool(row["contract"] or row["fingerprint"]) or moved


def fails(row: Row) -> bool:
    """Does it fail at the defaults of --optbench-fail-on?"""
    return bool(row["contract"] or row["fingerprint"] or row["slower"])


def table(rows: Sequence[Row]) -> str:
    """The shares, and the mutants that nothing tells from the clean class."""
    lines = ["| of the mutants that are not equal | " + " | ".join(KINDS.values()) + " |", "|---|---:|---:|"]
    counted = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    run_on = {kind: [row for row in own if row["tasks"]] for kind, own in counted.items()}
    for title, test, groups in (
        ("reported as `changed` or worse", reported, counted),
        ("fail, by the contract, a fingerprint or `slower`", fails, counted),
        (
            "fail by `slower` alone, of those of an optimizer that has tasks here",
            lambda row: bool(row["slower"]),
            run_on,
        ),
    ):
        cells = [_share(sum(map(test, own)), len(own)) for own in groups.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    unseen = [f"`{row['mutant']}`" for row in rows if not reported(row)]
    return "\n".join([*lines, "", f"Not reported: {', '.join(unseen) or 'none'}."])


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.1f} %)" if total else "-"


def _known(row: Row) -> dict[str, str]:
    """What `results.csv` has of a mutant."""
    contract = next((row[layer] for layer in ("nothing", "claims", "family") if row[layer]), "")
    return {**{column: row[column] for column in ("mutant", "optimizer", "kind", "fingerprint")}, "contract": contract}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--only", default="", help="a part of a mutant's name")
    parser.add_argument("--resume", action="store_true", help="keep the rows that gate.csv has")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with RESULTS.open(newline="", encoding="utf-8") as file:
        known = [row for row in csv.DictReader(file) if row["equality"] == "different" and row["kind"] in KINDS]
    rows = {row["mutant"]: row for row in read()} if options.resume or options.only else {}
    rows = {name: row for name, row in rows.items() if name in {one["mutant"] for one in known}}
    by_name = {row["mutant"]: row for row in known}
    rows = {name: {**row, **_known(by_name[name])} for name, row in rows.items()}
    todo = [row for row in known if options.only in row["mutant"] and not (options.resume and row["mutant"] in rows)]
    baselines = {name: baseline_of(name) for name in dict.fromkeys(row["optimizer"] for row in todo)}
    work = partial(comparisons, baselines=baselines)
    for name, found in farmed(work, [row["mutant"] for row in todo], jobs=options.jobs, seconds=SECONDS):
        row = by_name[name]
        tasks, slower = words(found)
        rows[name] = {**_known(row), "tasks": tasks, "slower": slower}
        write(rows)
        sys.stdout.write(f"{len(rows):4} {name:28} {tasks}\n")
        sys.stdout.flush()
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    made = table([rows[name] for name in sorted(rows)])
    readme.write_text(f"{head}{BEGIN}\n\n{made}\n\n{END}{tail}", encoding="utf-8")
    return 0


def read() -> list[dict[str, str]]:
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows: Mapping[str, Row]) -> None:
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows))


if __name__ == "__main__":
    raise SystemExit(main())
