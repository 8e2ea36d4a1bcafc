"""Where the time of a gate's cases goes: CPU seconds per task and part, for a tuned reference.

    python tests/benchmarks/where_the_time_goes.py [--reference AdamW] [--seeds 32] [TASK ...]

Every part has its time to itself: what a part calls that is a part of its own counts there. `stack` is the step of all
seeds at once, `shadows` those of the two seeds beside it, with their comparison. The first case of a process is run
twice, and counted once: it pays for imports.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from pytest_optbench.machine.engine import batched, case, group
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.engine.instance import Instance
from pytest_optbench.machine.engine.stack import Stack
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import parse_reference
from pytest_optbench.machine.tasks.registry import all_tasks, threshold_of
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.baseline import shipped_reference

PARTS: dict[str, list[tuple[Any, str]]] = {
    "gradient": [(batched.Batched, "gradient"), (batched.Batched, "value_and_gradient")],
    "stack": [(Stack, "step")],
    "shadows": [(Stack, "_compare")],
    "evaluate": [(group.Group, "_evaluate")],
    "data": [(group.Group, "_batch"), (group.Group, "_start"), (group.Group, "_seat")],
    "signs": [(group.Group, "_keep_signs"), (group.Group, "_examine"), (group, "StepSigns")],
    "trace": [(batched, "traced"), (batched, "without_first")],
    "probe": [(case, "admit"), (case, "probed")],
    "timing": [(case, "plain_gradient_ms")],
}
COLUMNS = (*PARTS, "rest")


class Clock:
    """CPU seconds by part, each without those of the parts that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._switch()
        self._running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def _switch(self) -> None:
        now = time.process_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **keywords: Any) -> Any:
            with self.part(name):
                return function(*arguments, **keywords)

        return timed


def measured(one: Case) -> tuple[dict[str, float], CaseRun]:
    """CPU seconds of one case by part."""
    clock = Clock()
    run = CaseRun(one)
    with ExitStack() as patches:
        for name, places in PARTS.items():
            for owner, attribute in places:
                patches.enter_context(patch.object(owner, attribute, clock.around(name, getattr(owner, attribute))))
        step = Instance.step

        def own_step(instance: Instance, *arguments: Any) -> None:
            # An instance of a stack has a leading dimension more than those of its shadows.
            stacked = any(isinstance(lane.instance, Instance) and lane.instance is instance for lane in run._current)
            with clock.part("shadows" if stacked and run.mode == "stacked" else "stack"):
                step(instance, *arguments)

        patches.enter_context(patch.object(Instance, "step", own_step))
        with clock.part("rest"):
            run.run()
    return clock.seconds, run


def tuned_case(task: Task, reference: str, seeds: int) -> Case | None:
    """The case of a reference with the values that the shipped table has for it; None where it has none."""
    row = shipped_reference().get((reference, task.name, task.version))
    if row is None:
        return None
    values = ", ".join(f"{name}={value!r}" for name, value in json.loads(row.hyperparameters).items())
    recipe = parse_reference(f"{reference}({values})", where="the shipped table")
    return Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=threshold_of(task),
        seeds=tuple(range(min(seeds, task.seeds))),
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", help="names of tasks; all that the reference has values for, if left out")
    parser.add_argument("--reference", default="AdamW")
    parser.add_argument("--seeds", type=int, default=32)
    options = parser.parse_args(arguments)
    tasks = all_tasks()
    cases = [tuned_case(tasks[name], options.reference, options.seeds) for name in options.tasks or tasks]
    chosen = [one for one in cases if one is not None]
    _write("task", "steps", "CPU s", *COLUMNS)
    if chosen:
        CaseRun(chosen[0]).run()
        case._batched.cache_clear()
    totals: dict[str, float] = defaultdict(float)
    for one in chosen:
        seconds, run = measured(one)
        for name, value in seconds.items():
            totals[name] += value
        _row(one.task.name, str(json.loads(run.rows()[0].curve)[-1][0]), seconds)
    _row(f"{len(chosen)} tasks", "", totals)


def _row(name: str, steps: str, seconds: dict[str, float]) -> None:
    _write(name, steps, f"{sum(seconds.values()):.2f}", *(f"{seconds.get(part, 0.0):.3f}" for part in COLUMNS))


def _write(name: str, *cells: str) -> None:
    sys.stdout.write(f"{name:28}{''.join(f'{cell:>9}' for cell in cells)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
