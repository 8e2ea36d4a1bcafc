"""Admitting: the rules of admission put to many tasks, in one process or in several."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pytest_optbench.machine.admission import Grid, admit, finding
from pytest_optbench.machine.pool import Answer, Failed, Pool
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tasks.registry import all_tasks, threshold_of
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.admission import Finding
from pytest_optbench.words.errors import OptbenchError


@dataclass(frozen=True, kw_only=True)
class Admitting:
    """Which tasks are asked about, and on how many seeds. `modules` and `named` are as in `all_tasks`."""

    tasks: Sequence[Task]
    grid: Grid
    modules: Sequence[str] = ()
    named: Sequence[str] = ()
    root: Path | None = None
    jobs: int = 1

    def run(self, say: Callable[[str], None]) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Yields the name of a task and its findings as they come. `say` is called with a line of progress."""
        start = time.monotonic()
        for done, (task, findings) in enumerate(self._answers(), start=1):
            word = "admitted" if all(one.passed for one in findings) else "NOT admitted"
            say(f"[{done}/{len(self.tasks)} {time.monotonic() - start:.0f} s] {task.name}: {word}")
            yield task.name, findings

    def _answers(self) -> Iterator[tuple[Task, tuple[Finding, ...]]]:
        if self.jobs == 1:
            for task in self.tasks:
                yield task, findings_of(task, self.grid)
            return
        by_name = {task.name: task for task in self.tasks}
        with Pool(self.jobs, _answering, tuple(self.modules), tuple(self.named), self.root, self.grid) as pool:
            for name, answer in pool.work(by_name):
                task = by_name[name]
                if isinstance(answer, tuple):
                    yield task, answer
                elif isinstance(answer, Failed):
                    yield task, (finding(task, "run", False, "", answer.sentence),)


def _answering(modules: Sequence[str], named: Sequence[str], root: Path | None, grid: Grid) -> Answer:
    """What answers requests in a process of its own."""
    torch.set_num_threads(1)
    tasks = all_tasks(modules, root=root, named=named, builtin=CATALOGUE)
    return lambda name, tell: findings_of(tasks[name], grid)


def findings_of(task: Task, grid: Grid) -> tuple[Finding, ...]:
    """The findings of a task at its own threshold, or by what cannot be asked without one; never raises."""
    try:
        try:
            threshold = threshold_of(task)
        except OptbenchError as error:
            missing = finding(task, "threshold", False, "", str(error).partition("; ")[2])
            return (missing, *admit(task, None, grid))
        return admit(task, threshold, grid)
    except OptbenchError as error:
        return (finding(task, "run", False, "", str(error)),)
    except Exception as error:
        return (finding(task, "run", False, "", f"{type(error).__name__}: {error}"),)
