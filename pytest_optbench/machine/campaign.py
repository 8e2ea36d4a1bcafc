"""A campaign: the calibration of many tasks in several processes, which can be killed at any time and resumed.

The tasks are the unit of work. Every process has one torch thread and calibrates one task after another; only the
parent writes. What is done goes to an append-only journal first, from which the next start takes it up.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

import pytest_optbench
from pytest_optbench.machine.calibration import Calibrated, calibrate, complete
from pytest_optbench.machine.cost import seconds_of
from pytest_optbench.machine.environment import environment
from pytest_optbench.machine.pool import Answer, Failed, Pool, Told
from pytest_optbench.machine.references import references_of
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tasks.registry import all_tasks
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words import baseline
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.journal import Entry, Journal
from pytest_optbench.words.threshold import (
    Threshold,
    merge_thresholds,
    parse_thresholds,
    read_thresholds,
    thresholds_csv,
)

JOURNAL = "calibrate.journal"
_ORDER = [task.name for task in CATALOGUE]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What is to be calibrated, and where to. `modules` and `named` are as in `all_tasks`."""

    tasks: Sequence[Task]
    out: Path
    """The folder of `thresholds.csv` and `reference.csv.gz`, in which the rows of other tasks are kept."""
    modules: Sequence[str] = ()
    named: Sequence[str] = ()
    root: Path | None = None
    """Where modules are looked for that are not installed."""
    jobs: int = 1
    fresh: bool = False
    """Is what an earlier campaign has finished done again?"""
    missing: bool = False
    """Are targets and budgets kept as they are in `out`, and only rows added of references that it lacks?"""

    def run(self, say: Callable[[str], None]) -> dict[str, str]:
        """Calibrate; returns a sentence for every task that could not be. `say` is called with a line of progress.

        Raises OptbenchError, before anything runs, for files in `out` that cannot be read.
        """
        desk = _Desk(self, say)
        pending = desk.resume()
        with Pool(self.jobs, _answering, tuple(self.modules), tuple(self.named), self.root) as pool:
            if len(pending) > 1:
                say(f"measuring a few steps of {len(pending)} tasks")
                for request, cost in pool.work([_Request("measure", task.name) for task in pending]):
                    desk.costs[request.task] = cost if isinstance(cost, float) else 0.0
                desk.start = time.monotonic()
            # The longest first: the last ones are what all processes but one wait for.
            pending.sort(key=lambda task: -desk.costs[task.name])
            for request, message in pool.work([desk.request(task) for task in pending]):
                desk.take(request.task, message)
        desk.close()
        return desk.failures

    def lines_to_paste(self, but: Collection[str] = ()) -> list[str]:
        """For every task that is not built in, and not `but` one of these, the line that its class is to be given."""
        found = read_thresholds(self.out / "thresholds.csv") if (self.out / "thresholds.csv").exists() else {}
        return [
            f"{type(task).__module__}:{type(task).__qualname__} is calibrated; give the class this line (Threshold is "
            "in pytest_optbench.tasks):\n"
            f"    threshold = {found[task.name, task.version]!r}\n"
            for task in self.tasks
            if task not in CATALOGUE and task.name not in but
        ]


@dataclass(frozen=True)
class _Request:
    verb: Literal["measure", "calibrate", "complete"]
    task: str
    threshold: Threshold | None = None
    references: tuple[str, ...] = ()


def _answering(modules: Sequence[str], named: Sequence[str], root: Path | None) -> Answer:
    """What answers requests in a process of its own."""
    torch.set_num_threads(1)
    tasks = all_tasks(modules, root=root, named=named, builtin=CATALOGUE)

    def answer(request: _Request, tell: Callable[[object], None]) -> object:
        task = tasks[request.task]
        if request.verb == "measure":
            return seconds_of(task, (0, 1)) * task.horizon

        def report(line: str, share: float) -> None:
            tell((line, share))

        if request.threshold is not None:
            return complete(task, request.threshold, request.references, report)
        return calibrate(task, report)

    return answer


class _Desk:
    """Keeps what is done, in the journal and in both files, and tells of it."""

    def __init__(self, campaign: Campaign, say: Callable[[str], None]) -> None:
        self.campaign = campaign
        self.say = say
        self.failures: dict[str, str] = {}
        self.costs: dict[str, float] = {}
        """About how long each task takes that is still to be done, in any unit."""
        # An entry of added rows must never be taken for all rows of a task.
        kind = "missing/" if campaign.missing else ""
        self._codes = {task.name: kind + code_fingerprint(task) for task in campaign.tasks}
        self._shares: dict[str, float] = {}
        self._finished = 0
        self.start = time.monotonic()
        if campaign.out.exists() and not campaign.out.is_dir():
            raise OptbenchError(f"{campaign.out} is a file; expected a folder for thresholds.csv and reference.csv.gz")
        campaign.out.mkdir(parents=True, exist_ok=True)
        self._thresholds = campaign.out / "thresholds.csv"
        self._reference = campaign.out / "reference.csv.gz"
        self.journal = Journal(campaign.out / JOURNAL)
        if self._thresholds.exists():
            read_thresholds(self._thresholds)
        if self._reference.exists():
            baseline.read_baseline(self._reference)

    def resume(self) -> list[Task]:
        """Store what an earlier campaign has finished with the same code; returns the other tasks."""
        if self.campaign.fresh:
            self.journal.remove()
        done = {one.task: one for one in map(self._recovered, self.journal.entries()) if one is not None}
        for calibrated in done.values():
            self._store(calibrated)
        self._finished = len(done)
        if done:
            self.say(f"{len(done)} of {len(self.campaign.tasks)} tasks are done already, says {self.journal.path}")
        pending = [task for task in self.campaign.tasks if task.name not in done]
        if self.campaign.missing:
            self._require_thresholds(pending)
            pending = [task for task in pending if self._lacking(task)]
        self.costs = {task.name: 1.0 for task in pending}
        return pending

    def request(self, task: Task) -> _Request:
        """What is asked for: everything, or the rows that are missing. Only what is in the folder can be added to."""
        if not self.campaign.missing:
            return _Request("calibrate", task.name)
        return _Request("complete", task.name, self._known_threshold(task), self._lacking(task))

    def _known_threshold(self, task: Task) -> Threshold | None:
        found = read_thresholds(self._thresholds) if self._thresholds.exists() else {}
        return found.get((task.name, task.version))

    def _lacking(self, task: Task) -> tuple[str, ...]:
        """References that make sense on the task, and have no row."""
        rows = baseline.read_baseline(self._reference) if self._reference.exists() else []
        known = {row.recipe for row in rows if (row.task, row.task_version) == (task.name, task.version)}
        return tuple(name for name in references_of(task) if name not in known)

    def _require_thresholds(self, tasks: Sequence[Task]) -> None:
        lacking = [task.name for task in tasks if self._known_threshold(task) is None]
        if lacking:
            raise OptbenchError(
                f"--missing: {self._thresholds} has no target of {', '.join(lacking)} in the present version; "
                "calibrate without --missing"
            )

    def take(self, name: str, message: object) -> None:
        """What came of the calibration of a task."""
        match message:
            case Told((line, share)):
                self._shares[name] = share
            case Calibrated(threshold=found):
                self._keep(message)
                line = f"done: {found.target:.6g} in {found.budget} steps, by {found.reference}"
            case Failed(sentence):
                self.failures[name] = sentence
                line = f"FAILED: {sentence}"
        if not isinstance(message, Told):
            self._shares[name] = 1.0
            self._finished += 1
        self._say(name, line)

    def close(self) -> None:
        """Remove the journal, unless there is something in it or ahead that it is still good for."""
        names = {task.name for task in self.campaign.tasks}
        if not self.failures and all(entry.get("task") in names for entry in self.journal.entries()):
            self.journal.remove()

    def _keep(self, calibrated: Calibrated) -> None:
        self.journal.append(
            {
                "task": calibrated.task,
                "task_version": calibrated.task_version,
                "code": self._codes[calibrated.task],
                "thresholds": thresholds_csv(_by_task(calibrated), order=()),
                "reference": baseline.to_csv(calibrated.rows),
            }
        )
        self._store(calibrated)

    def _say(self, name: str, line: str) -> None:
        elapsed = time.monotonic() - self.start
        spent = sum(self.costs[one] * share for one, share in self._shares.items())
        left = elapsed * (sum(self.costs.values()) / spent - 1) if spent else math.inf
        estimate = f", about {_clock(left)} left" if math.isfinite(left) else ""
        self.say(f"[{self._finished}/{len(self.campaign.tasks)} {_clock(elapsed)}{estimate}] {name}: {line}")

    def _store(self, calibrated: Calibrated) -> None:
        merge_thresholds(self._thresholds, _by_task(calibrated), order=_ORDER)
        rows = baseline.read_baseline(self._reference) if self._reference.exists() else []
        kept = [row for row in rows if row.task != calibrated.task]
        if self.campaign.missing:
            added = {row.key for row in calibrated.rows}
            kept = [row for row in rows if row.key not in added]
        baseline.write_reference(self._reference, [*kept, *calibrated.rows])

    def _recovered(self, entry: Entry) -> Calibrated | None:
        """What an entry of the journal holds; None where it is damaged, or of other code, or of no task of these."""
        tasks = {task.name: task for task in self.campaign.tasks}
        try:
            task = tasks[entry["task"]]
            if (entry["task_version"], entry["code"]) != (task.version, self._codes[task.name]):
                return None
            thresholds = parse_thresholds(entry["thresholds"], where=JOURNAL)
            rows = baseline.from_csv(entry["reference"], where=JOURNAL)
            return Calibrated(task.name, task.version, thresholds[task.name, task.version], tuple(rows))
        except (KeyError, TypeError, AttributeError, OptbenchError):
            return None


def _by_task(calibrated: Calibrated) -> dict[tuple[str, int], Threshold]:
    return {(calibrated.task, calibrated.task_version): calibrated.threshold}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def code_fingerprint(task: Task) -> str:
    """SHA-256 over what the calibration of a task depends on: the package's code, the task's own, and the machine."""
    package = Path(pytest_optbench.__file__).parent
    paths = sorted([*package.glob("words/**/*.py"), *package.glob("machine/**/*.py")])
    digest = hashlib.sha256(json.dumps(environment(), sort_keys=True).encode())
    for path in [*paths, *_source(task)]:
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _source(task: Task) -> list[Path]:
    try:
        return [Path(inspect.getfile(type(task)))]
    except (OSError, TypeError):
        return []
