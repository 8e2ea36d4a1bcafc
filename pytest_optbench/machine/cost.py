"""Cost: about how long a task takes on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import PAR, reference_recipe
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.threshold import Threshold, shipped_thresholds

_FEW, _MANY = 16, 64
_SEEDS = 32


def seconds_of(task: Task, seeds: Sequence[int], steps: int = _FEW) -> float:
    """CPU seconds of so many steps of AdamW on all seeds at once, with an evaluation after every step."""
    recipe = reference_recipe(PAR)
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=Threshold(target=-math.inf, budget=steps),
        seeds=tuple(seeds),
    )
    seconds = math.inf
    for _ in range(2):  # the first run also traces the task's functions
        start = time.process_time()
        CaseRun(case).run()
        seconds = min(seconds, time.process_time() - start)
    return seconds


def spelled_cost(task: Task) -> str:
    """What a case of AdamW costs here, by a few steps that are run for it; nothing where there is no target."""
    if task.tier == "full":
        return "minutes or more"
    threshold = task.threshold or shipped_thresholds().get((task.name, task.version))
    if threshold is None:
        return ""
    steps = threshold.budget if threshold.par is None else threshold.par
    seeds = range(min(_SEEDS, task.seeds))
    few, many = (seconds_of(task, seeds, count) for count in (_FEW, _MANY))
    seconds = few + max(steps - _FEW, 0) * max(many - few, 0.0) / (_MANY - _FEW)
    return f"about {seconds:.1g} CPU seconds: {steps:g} steps of AdamW with {len(seeds)} seeds, measured here and now"
