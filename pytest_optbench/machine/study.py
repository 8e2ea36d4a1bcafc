"""A study: the recipes of a table, one after another, each in a pytest of its own; can be cut short and taken up again.

A recipe is the unit of work: `DIR/NAME.csv` is there once it has been run to its end, and `study.journal` says how it
went. A recipe that fails, hangs or ends its process costs itself, and no other.
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

JOURNAL = "study.journal"
PATIENCE = 20.0
"""Seconds in which a process that is asked to end may write what it has."""
_POLL = 0.2
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
    """Names of recipes; all of the table unless given."""
    jobs: int = 1
    timeout: float = 3600.0
    """Seconds for a recipe."""
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
        return [one for one in self.table.optimizers if not self.only or one.name in self.only]

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

    def command(self, declaration: OptimizerDeclaration) -> list[str]:
        """The pytest that runs one recipe."""
        settings: Mapping[str, object] = {
            "layer": "tasks",
            "tier": self.tier,
            "tasks": self.tasks,
            "seeds": self.seeds,
            "timeout": self.case_timeout,
            "fail-on": "none",
            "compare": "none",
            "csv": self.unfinished(declaration.name),
        }
        return [
            *(sys.executable, "-m", "pytest", "--optbench", f"{self.table.path.resolve()}::{declaration.name}"),
            *("-c", str((self.out / "pytest.ini").resolve()), "--rootdir", str(self.table.path.parent.resolve())),
            *("-p", "no:cacheprovider", "-q", "--tb=line"),
            *(f"--optbench-{name}={value}" for name, value in settings.items() if value not in (None, "")),
        ]

    def unfinished(self, name: str) -> Path:
        """Where the rows of a recipe are until it is done."""
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
        pending = self._pending()
        total, started = len(pending), time.monotonic()
        self.say(f"{len(self.study.chosen) - total} of {len(self.study.chosen)} optimizers are done; {total} to run")
        with ThreadPoolExecutor(self.study.jobs) as threads:
            running = {threads.submit(self._run, one): one for one in pending}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        one = running.pop(future)
                        self._take(one, future)
                        share = (total - len(running)) / total
                        left = (time.monotonic() - started) * (1 - share) / share
                        self.say(f"[{total - len(running)}/{total}] about {left / 60:.0f} min left")
            except BaseException:
                self.stopped = True
                threads.shutdown(cancel_futures=True)
                raise
        return self.failures

    def _pending(self) -> list[OptimizerDeclaration]:
        done = {entry["name"]: entry["key"] for entry in self.journal.entries() if entry.get("status") == "done"}
        return [
            one
            for one in self.study.chosen
            if done.get(one.name) != self.study.key(one) or not (self.study.out / f"{one.name}.csv").is_file()
        ]

    def _run(self, declaration: OptimizerDeclaration) -> Entry | None:
        """Run one recipe; None where it was cut short."""
        if self.stopped:
            return None
        name, started = declaration.name, time.monotonic()
        unfinished = self.study.unfinished(name)
        unfinished.unlink(missing_ok=True)
        with (self.study.out / "logs" / f"{name}.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                self.study.command(declaration),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.study.table.path.parent,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
            status = self._watch(process, started + self.study.timeout)
        if status == "stopped":
            return None
        if unfinished.is_file():
            unfinished.replace(self.study.out / f"{name}.csv")
        elif status == "done":
            status = "failed"
        return {
            "name": name,
            "key": self.study.key(declaration),
            "status": status,
            "exit": process.returncode,
            "seconds": round(time.monotonic() - started, 1),
        }

    def _watch(self, process: subprocess.Popen[bytes], ends: float) -> str:
        """Wait for the process to end, or end it; says how that went."""
        while process.poll() is None:
            if self.stopped or time.monotonic() > ends:
                _end(process)
                return "stopped" if self.stopped else "timeout"
            time.sleep(_POLL)
        # 1: some case was missed, or crashed, which is a result.
        return "done" if process.returncode in (0, 1) else "failed"

    def _take(self, declaration: OptimizerDeclaration, future: Future[Entry | None]) -> None:
        entry = future.result()
        if entry is None:
            return
        self.journal.append(entry)
        name, status = declaration.name, entry["status"]
        self.say(f"{name}: {status} after {entry['seconds']:.0f} s")
        if status != "done":
            self.failures[name] = f"{status}; {_last_line(self.study.out / 'logs' / f'{name}.log')}"


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
