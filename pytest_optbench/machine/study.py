"""A study: the recipes of a table, one after another, each in a pytest of its own; can be cut short and taken up again.

`DIR/NAME.csv` is there once a recipe has been run to its end, and `study.journal` says how it went. A recipe that
fails, hangs or ends its process costs itself, and those that share the process with it; all of these are run alone the
next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest_optbench
from pytest_optbench.machine.environment import package_version
from pytest_optbench.words.declaration import OptimizerDeclaration, Table
from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.journal import Entry, Journal
from pytest_optbench.words.lock import exclusive
from pytest_optbench.words.table import from_csv, to_csv, write_atomically

JOURNAL = "study.journal"
PATIENCE = 20.0
"""Seconds in which a process that is asked to end may write what it has."""
_POLL = 0.2
_PYTEST = """
import os, signal, sys, threading
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and "&" in a script have it ignored
ours = os.dup(0)  # the other end is the study's: pytest captures 0 itself

def attend():
    os.read(ours, 1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=attend, daemon=True).start()
sys.exit(pytest.main())
"""
"""A pytest that can be interrupted, and is when the study's process has ended, however that was killed."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is run, and where to."""

    table: Table
    out: Path
    tier: str = "small"
    tasks: str = ""
    """Expression; empty for all of the tier."""
    seeds: int | None = None
    only: Sequence[str] = ()
    """Names of recipes, in the order in which they are run; all of the table unless given."""
    jobs: int = 1
    together: int = 1
    """Recipes to a process: those in one share the traces of the tasks, a part of the time that each would take."""
    timeout: float = 3600.0
    """Seconds for a recipe; those of one process share them."""
    case_timeout: float = 300.0
    """Seconds for one task of a recipe."""

    def run(self, say: Say) -> dict[str, str]:
        """Run what is not complete yet; returns a sentence for every recipe that did not get to its end.

        `say` is called with a line of progress. Raises OptbenchError for a name that is not in the table, and where
        another study is at work in the same folder.
        """
        for name in self.only:
            require_known(name, [one.name for one in self.table.optimizers], where="study", what="optimizer")
        if not self.table.optimizers:
            raise OptbenchError(f"{self.table.path}: no optimizer to run; expected tables as in [optimizers.NAME]")
        try:
            (self.out / "logs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptbenchError(f"--out {self.out}: {error.strerror or error}") from error
        with exclusive(self.out / JOURNAL):
            return _Desk(self, say).work()

    @property
    def chosen(self) -> list[OptimizerDeclaration]:
        named = {one.name: one for one in self.table.optimizers}
        return [named[name] for name in dict.fromkeys(self.only or named)]

    def key(self, declaration: OptimizerDeclaration) -> str:
        """What the rows of a recipe depend on: the recipe, the version of its package, and what is asked of it."""
        module = str(declaration.optimizer).partition(":")[0].partition(".")[0]
        beside = self.table.path.parent / f"{module}.py"
        parts = {
            "recipe": repr(asdict(declaration)),
            "package": package_version(module),
            "module": beside.read_text(encoding="utf-8") if beside.is_file() else "",
            "suite": pytest_optbench.SUITE_VERSION,
            "asked": [self.tier, self.tasks, self.seeds, self.case_timeout],
            "modules": self.table.task_modules,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def command(self, group: Sequence[OptimizerDeclaration]) -> list[str]:
        """The pytest that runs some recipes."""
        settings: Mapping[str, object] = {
            "layer": "tasks",
            "tier": self.tier,
            "tasks": self.tasks,
            "seeds": self.seeds,
            "timeout": self.case_timeout,
            "fail-on": "none",
            "compare": "none",
            "csv": self.unfinished(group),
        }
        return [
            *(sys.executable, "-c", _PYTEST, "--optbench"),
            *(f"{self.table.path.resolve()}::{declaration.name}" for declaration in group),
            *("-c", str((self.out / "pytest.ini").resolve()), "--rootdir", str(self.table.path.parent.resolve())),
            *("-p", "no:cacheprovider", "-q", "--tb=line"),
            *(f"--optbench-{name}={value}" for name, value in settings.items() if value not in (None, "")),
        ]

    def unfinished(self, group: Sequence[OptimizerDeclaration]) -> Path:
        """Where the rows of some recipes are until they are done; the log lies beside it."""
        name = group[0].name if len(group) == 1 else f"{group[0].name}+{len(group) - 1}"
        return (self.out / "logs" / f"{name}.csv").resolve()


@dataclass
class _Desk:
    """Hands out the recipes, and writes down how they went."""

    study: Study
    say: Say
    failures: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.journal = Journal(self.study.out / JOURNAL)
        # An ini file of its own, so that none of a folder above is found.
        (self.study.out / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")

    def work(self) -> dict[str, str]:
        groups = self._groups()
        total, started, finished = sum(map(len, groups)), time.monotonic(), 0
        self.say(f"{len(self.study.chosen) - total} of {len(self.study.chosen)} optimizers are done; {total} to run")
        with ThreadPoolExecutor(self.study.jobs) as threads:
            running = {threads.submit(self._run, group): group for group in groups}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        group = running.pop(future)
                        self._take(group, future)
                        finished += len(group)
                        left = (time.monotonic() - started) * (total - finished) / finished
                        self.say(f"[{finished}/{total}] about {left / 60:.0f} min left")
            except BaseException:
                self.stopped = True
                threads.shutdown(cancel_futures=True)
                raise
        return self.failures

    def _groups(self) -> list[list[OptimizerDeclaration]]:
        """What is to be run, by process: what has failed, perhaps by what it shared one with, is alone."""
        entries = {entry["name"]: entry for entry in self.journal.entries()}
        fresh: list[OptimizerDeclaration] = []
        alone: list[OptimizerDeclaration] = []
        for one in self.study.chosen:
            entry = entries.get(one.name, {})
            status = entry.get("status") if entry.get("key") == self.study.key(one) else None
            if status == "done" and (self.study.out / f"{one.name}.csv").is_file():
                continue
            (alone if status in ("failed", "timeout") else fresh).append(one)
        size = self.study.together
        return [*(fresh[k : k + size] for k in range(0, len(fresh), size)), *([one] for one in alone)]

    def _run(self, group: Sequence[OptimizerDeclaration]) -> list[Entry]:
        """Run some recipes in one process; empty where it was cut short."""
        if self.stopped:
            return []
        started, unfinished = time.monotonic(), self.study.unfinished(group)
        unfinished.unlink(missing_ok=True)
        with (
            unfinished.with_suffix(".log").open("w", encoding="utf-8") as log,
            subprocess.Popen(
                self.study.command(group),
                stdin=subprocess.PIPE,  # never written to: it closes with this process
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.study.table.path.parent,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            ) as process,
        ):
            status = self._watch(process, started + self.study.timeout * len(group))
        if status == "stopped":
            return []
        names = [one.name for one in group]
        if unfinished.is_file():
            _deal(unfinished, {name: self.study.out / f"{name}.csv" for name in names})
        elif status == "done":
            status = "failed"
        return [
            {
                "name": one.name,
                "key": self.study.key(one),
                "status": status,
                "exit": process.returncode,
                "seconds": round((time.monotonic() - started) / len(group), 1),
            }
            for one in group
        ]

    def _watch(self, process: subprocess.Popen[bytes], ends: float) -> str:
        """Wait for the process to end, or end it; says how that went."""
        while process.poll() is None:
            if self.stopped or time.monotonic() > ends:
                _end(process)
                return "stopped" if self.stopped else "timeout"
            time.sleep(_POLL)
        # 1: some case was missed, or crashed, which is a result.
        return "done" if process.returncode in (0, 1) else "failed"

    def _take(self, group: Sequence[OptimizerDeclaration], future: Future[list[Entry]]) -> None:
        for entry in future.result():
            self.journal.append(entry)
            name, status = entry["name"], entry["status"]
            self.say(f"{name}: {status} after {entry['seconds']:.0f} s")
            if status != "done":
                self.failures[name] = f"{status}; {_last_line(self.study.unfinished(group).with_suffix('.log'))}"


def _deal(path: Path, ways: Mapping[str, Path]) -> None:
    """Give the rows of every recipe a table of its own, in place of the one that has them all."""
    if len(ways) == 1:
        path.replace(*ways.values())
        return
    runs = from_csv(path.read_text(encoding="utf-8"), where=str(path))
    for name, way in ways.items():
        write_atomically(way, to_csv(run for run in runs if run.recipe == name))
    path.unlink()


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does, so that pytest writes what it has; by force if that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if line.startswith(("ERROR", "E "))]
    return next((line for line in (*errors, *reversed(lines)) if line), "it said nothing")
