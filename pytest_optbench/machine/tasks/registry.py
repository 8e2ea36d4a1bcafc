"""The registry: every task by name, built in and from elsewhere (entry points, modules of the table, a hook)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from pytest_optbench.machine.imports import load_module, load_object
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold, shipped_thresholds

ENTRY_POINT_GROUP = "optbench.tasks"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
TIERS = ("unit", "small", "full")


def all_tasks(
    modules: Sequence[str] = (),
    extra: Iterable[Task] = (),
    root: Path | None = None,
    named: Sequence[str] = (),
    builtin: Iterable[Task] = BUILTIN,
) -> dict[str, Task]:
    """Tasks by name: built in, then from packages (entry points), then from `modules`, then `extra`, then `named`.

    Among `modules` may be single tasks, as `module:Name`; `named` are such, too, and may be there already. An entry
    point, or an object in a module, is a `Task` instance or a `Task` subclass that needs no arguments. Raises
    OptbenchError for anything else, and for two tasks of one name.
    """
    tasks: dict[str, Task] = {}
    for task in builtin:
        _add(tasks, task, "pytest_optbench")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        where = f"entry point {entry_point.name!r} of group {ENTRY_POINT_GROUP!r}"
        try:
            found = entry_point.load()
        except Exception as error:
            raise OptbenchError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        _add(tasks, _instance(found, where), where)
    for name in modules:
        where = f"task_modules: {name!r}"
        single = ":" in name
        members = (
            [load_object(name, where=where, root=root)]
            if single
            else _members(load_module(name, where=where, root=root))
        )
        if not members:
            raise OptbenchError(f"{where} holds no task; expected subclasses or instances of pytest_optbench Task")
        for found in members:
            _add(tasks, _instance(found, where), where)
    for found in extra:
        _add(tasks, _instance(found, "hook pytest_optbench_tasks"), "hook pytest_optbench_tasks")
    for path in named:
        task = named_task(path, root=root)
        if tasks.get(task.name) != task:
            _add(tasks, task, f"task {path!r}")
    return tasks


def named_task(path: str, root: Path | None = None) -> Task:
    """The task that `module:Name` names. Raises OptbenchError when there is none."""
    where = f"task {path!r}"
    return _instance(load_object(path, where=where, root=root), where)


def threshold_of(task: Task) -> Threshold:
    """The task's target and budget: its own, else the shipped ones. Raises OptbenchError when there are none."""
    threshold = task.threshold or shipped_thresholds().get((task.name, task.version))
    if threshold is None:
        raise OptbenchError(
            f"task {task.name}@{task.version} has no target and budget; give the class a threshold = Threshold(...), "
            f"as optbench calibrate {_spelled(task)} --out DIR finds and prints it"
        )
    return threshold


def _spelled(task: Task) -> str:
    """How a command names the task: by its class, unless only Python can get at that."""
    path = f"{type(task).__module__}:{type(task).__qualname__}"
    return task.name if task in BUILTIN or "<" in path or path.startswith("__main__") else path


def in_tier(task: Task, tier: str) -> bool:
    """Is the task part of the tier? Each tier includes the ones before it."""
    return TIERS.index(task.tier) <= TIERS.index(tier)


def _members(module: ModuleType) -> list[object]:
    instances: list[object] = [value for value in vars(module).values() if isinstance(value, Task)]
    made = {type(instance) for instance in instances}
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__
    ]
    return [*instances, *(value for value in classes if value not in made and hasattr(value, "name"))]


def _instance(found: object, where: str) -> Task:
    if isinstance(found, type) and issubclass(found, Task):
        try:
            found = found()
        except TypeError as error:
            raise OptbenchError(f"{where}: {error}; a task class must be constructible without arguments") from error
    if not isinstance(found, Task):
        raise OptbenchError(f"{where} is {found!r}; expected a Task")
    for attribute in ("name", "source", "horizon"):
        if not hasattr(found, attribute):
            raise OptbenchError(f"{where}: task {type(found).__name__} has no {attribute!r}")
    if found.tier not in TIERS:
        raise OptbenchError(f"{where}: task {found.name} is of tier {found.tier!r}; expected one of {', '.join(TIERS)}")
    if not isinstance(found.tags, frozenset):
        raise OptbenchError(f"{where}: the tags of task {found.name} are {found.tags!r}; expected a frozenset")
    if not _NAME.fullmatch(found.name):
        raise OptbenchError(f"{where}: {found.name!r} is no name for a task; expected snake_case")
    return found


def _add(tasks: dict[str, Task], task: Task, where: str) -> None:
    if task.name in tasks:
        raise OptbenchError(
            f"{where}: a task named {task.name!r} exists already, in {type(tasks[task.name]).__module__}"
        )
    tasks[task.name] = task
