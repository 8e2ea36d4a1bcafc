"""A choice of tasks, as the command line makes it: by expressions, and by `module:Name`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tasks.registry import all_tasks, named_task
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.expressions import select


@dataclass(frozen=True)
class Choice:
    """The tasks that were chosen, and where another process finds them (see `all_tasks`)."""

    tasks: tuple[Task, ...]
    one: Task | None
    """The task that was chosen by its name; None for a selection, even of one."""
    modules: tuple[str, ...]
    named: tuple[str, ...]
    root: Path


def choose(words: Sequence[str], *, modules: Sequence[str], root: Path, where: str) -> Choice:
    """The tasks that any of the words chooses, in the order of the registry; all of them without a word.

    A word is an expression, as for `--optbench-tasks`, or `module:Name`. Raises OptbenchError, which `where` begins,
    for a word that chooses nothing.
    """
    modules = tuple(dict.fromkeys(modules))
    named = tuple(word for word in words if ":" in word)
    tasks = all_tasks(modules, root=root, named=named, builtin=CATALOGUE)
    labels = {name: task.tags | {task.tier} for name, task in tasks.items()}
    chosen = {named_task(word, root=root).name for word in named}
    for expression in words:
        if expression not in named:
            chosen |= set(select(expression, labels, where=where)) if expression.strip() else tasks.keys()
    names = [name for name in tasks if name in chosen] if words else list(tasks)
    one = tasks[names[0]] if len(words) == len(names) == 1 and words[0].strip() in (*named, *names) else None
    return Choice(tuple(tasks[name] for name in names), one, modules, named, root)
