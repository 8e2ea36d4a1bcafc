"""Outcomes: what the table of this folder comes to, as run and as recorded.

To record it anew, after a change of the engine, of a task or of a package:

    python tests/ecosystem/outcomes.py            # outcomes.csv: the few tasks and seeds that CI runs
    python tests/ecosystem/outcomes.py --full     # the table in README.md: all seven tasks, 32 seeds; an hour
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from pytest_optbench.words.claims import check_of
from pytest_optbench.words.run import Run
from pytest_optbench.words.table import read_runs
from pytest_optbench.words.verdict import Verdict, judge

FOLDER = Path(__file__).parent
RECORD = FOLDER / "outcomes.csv"
README = FOLDER / "README.md"
FEW = ("--optbench-tasks=quartic_saddle or matrix_factor", "--optbench-seeds=4")
"""Options for CI: parameters that are a vector, parameters that are matrices, seeds enough for a stack, seconds."""
DISTRIBUTIONS = {
    "heavyball": "heavyball",
    "lion_pytorch": "lion-pytorch",
    "optimi": "torch-optimi",
    "prodigyopt": "prodigyopt",
    "pytorch_optimizer": "pytorch_optimizer",
    "schedulefree": "schedulefree",
}
"""Package on the index by the name that is imported, with which every name in the table begins."""
COMMON = (
    "about half of the seeds reach it",
    "diverges at this learning rate",
    "one learning rate serves all tasks",
    "steps of this size jump over the kink",
)
"""Reasons for an expected failure that say nothing of one optimizer in particular."""
LEADING = ("needs_closure", "train_eval", "no_ndim")
"""Claims that tell a run how to lead an optimizer; the others are for the contract."""
OTHER_STEPS = ("probe: on stacked parameters it takes other steps", "other steps")
"""The usual reason why seeds are not stacked, and its short form in the README's table."""


@dataclass(frozen=True, order=True)
class Outcome:
    """One row of the record: how one optimizer fared on one task."""

    optimizer: str
    package: str
    version: str
    task: str
    outcome: str
    engine: str
    """How the seeds were run: recorded for the reader, not compared."""


@dataclass(frozen=True)
class Session:
    """What one `pytest --optbench` left behind."""

    code: int
    text: str
    runs: list[Run]


def declared() -> dict[str, dict[str, object]]:
    """The optimizers of the table by name."""
    table: dict[str, dict[str, object]] = tomllib.loads((FOLDER / "optbench.toml").read_text("utf-8"))["optimizers"]
    return table


def bench(*options: str) -> Session:
    """Run the table in a process of its own, as its user would, under this project's own settings of pytest."""
    ours = ("PYTEST_", "OPTBENCH_", "GITHUB_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name != "CI"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--optbench",
            "--optbench-layer=tasks",
            "-p",
            "no:cacheprovider",
            f"--optbench-csv={path}",
        ]
        done = subprocess.run(
            [*command, *options], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False
        )
        runs = read_runs(path) if path.exists() else []
    return Session(done.returncode, done.stdout + done.stderr, runs)


def cases(runs: Iterable[Run]) -> list[tuple[Run, Verdict]]:
    """The first run and the verdict of every case; the runs of a table are sorted by recipe and task."""
    grouped = (list(group) for _, group in groupby(runs, key=lambda run: (run.recipe, run.task)))
    return [(group[0], judge(group)) for group in grouped]


def outcomes(runs: Iterable[Run]) -> list[Outcome]:
    """One outcome per case, sorted."""
    found = []
    for run, verdict in cases(runs):
        package = DISTRIBUTIONS[run.recipe.partition(".")[0]]
        found.append(Outcome(run.recipe, package, version(package), run.task, verdict.word, run.engine))
    return sorted(found)


def to_csv(found: Sequence[Outcome]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Outcome)])
    writer.writerows(map(astuple, found))
    return text.getvalue()


def recorded() -> list[Outcome]:
    rows = csv.DictReader(io.StringIO(RECORD.read_text("utf-8")))
    return [Outcome(**row) for row in rows]


def difference(before: Iterable[Outcome], after: Iterable[Outcome]) -> str:
    """The lines that differ, `-` as recorded and `+` as found; empty when nothing but the engine does."""
    old, new = ([", ".join(astuple(one)[:-1]) for one in sorted(some)] for some in (before, after))
    lines = difflib.unified_diff(old, new, "recorded", "found", lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith("@@"))


def to_markdown(runs: Sequence[Run]) -> str:
    """The README's table: seeds that reached the target and, where at least half did, the median of their steps."""
    table = declared()
    tasks = sorted({run.task for run in runs})
    heads = ["optimizer", "engine", "not stacked because", "solved", *tasks, "remark"]
    lines = [heads, ["---"] * len(heads)]
    for recipe, group in groupby(cases(runs), key=lambda case: case[0].recipe):
        judged = {run.task: (run, verdict) for run, verdict in group}
        cells = [_cell(judged[task][1]) if task in judged else "" for task in tasks]
        solved = sum(verdict.passed for _, verdict in judged.values())
        ran = [run for run, _ in judged.values()]
        lines.append(
            [recipe, _engines(ran), _refusals(ran), f"{solved} of {len(judged)}", *cells, _remark(table[recipe])]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _engines(ran: Sequence[Run]) -> str:
    """How the cases were run, with the number of each where they differ."""
    counts = Counter(run.engine for run in ran)
    return ", ".join(engine if len(counts) == 1 else f"{engine} {count}" for engine, count in counts.most_common())


def _refusals(ran: Sequence[Run]) -> str:
    """Why cases were not stacked; with their tasks, unless it is the same for all."""
    tasks: dict[str, list[str]] = {}
    for run in ran:
        if run.engine_reason:
            tasks.setdefault(run.engine_reason.replace(*OTHER_STEPS), []).append(run.task)
    everywhere = len(tasks) == 1 and all(run.engine_reason for run in ran)
    return "; ".join(reason if everywhere else f"{reason} ({_where(names)})" for reason, names in tasks.items())


def _where(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) if len(tasks) <= 3 else f"{len(tasks)} tasks"


def _cell(verdict: Verdict) -> str:
    share = f"{verdict.reached}/{verdict.seeds}"
    if math.isfinite(verdict.median_steps):
        return f"{share}, {verdict.median_steps:g}"
    return share if verdict.word in ("missed", "reached") else f"{share} {verdict.word}"


def _remark(keys: dict[str, object]) -> str:
    """What sets an optimizer apart on tasks: how it is led, its schedule, the tasks it leaves out, and failures of its
    own kind."""
    claims, reasons = keys.get("claims", {}), keys.get("expected_failures", {})
    assert isinstance(claims, dict)
    assert isinstance(reasons, dict)
    remarks = [f"claims {name} = {str(claims[name]).lower()}" for name in LEADING if name in claims]
    remarks += ["linear decay"] if "scheduler" in keys else []
    remarks += [f"tasks: {keys['tasks']}"] if "tasks" in keys else []
    own = [reason for name, reason in reasons.items() if not check_of(name, ()) and reason not in COMMON]
    return "; ".join([*remarks, *dict.fromkeys(own)])


def record(*, full: bool) -> None:
    """Write what a run comes to: the record of CI, or the README's table."""
    session = bench(*(() if full else FEW))
    assert session.runs, session.text
    if not full:
        RECORD.write_text(to_csv(outcomes(session.runs)), "utf-8")
        return
    write_readme(session.runs)


def write_readme(runs: Sequence[Run]) -> None:
    """Put the table of these runs between the README's two markers."""
    first = runs[0]
    versions = ", ".join(f"{name} {version(name)}" for name in sorted(DISTRIBUTIONS.values()))
    verdicts = [verdict for _, verdict in cases(runs)]
    said = (
        f"Suite {first.suite}, {verdicts[0].seeds} seeds, torch {first.torch}, {first.platform}, {first.cpu};\n"
        f"{versions}.\nSolved: {sum(verdict.passed for verdict in verdicts)} of {len(verdicts)} cases.\n"
    )
    before, _, rest = README.read_text("utf-8").partition("<!-- outcomes -->\n")
    after = rest.partition("<!-- end of outcomes -->\n")[2]
    table = f"<!-- outcomes -->\n{said}\n{to_markdown(runs)}<!-- end of outcomes -->\n"
    README.write_text(before + table + after, "utf-8")


if __name__ == "__main__":
    record(full="--full" in sys.argv[1:])
