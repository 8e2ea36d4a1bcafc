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

_STEPS = 16
_SEEDS = 32


def seconds_per_step(task: Task, seeds: Sequence[int]) -> float:
    """Seconds of a step of AdamW on so many seeds at once, with an evaluation after every one: at most, that is."""
    recipe = reference_recipe(PAR)
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=Threshold(target=-math.inf, budget=_STEPS),
        seeds=tuple(seeds),
    )
    seconds = math.inf
    for _ in range(2):  # the first run also traces the task's functions
        start = time.perf_counter()
        CaseRun(case).run()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds / _STEPS


def spelled_cost(task: Task) -> str:
    """What a case of AdamW costs here, from a few steps that are run for it; nothing for a task that takes minutes."""
    if task.tier == "full":
        return "minutes or more"
    threshold = task.threshold or shipped_thresholds().get((task.name, task.version))
    if threshold is None:
        return ""
    steps = threshold.budget if threshold.par is None else threshold.par
    seeds = min(_SEEDS, task.seeds)
    seconds = seconds_per_step(task, range(seeds)) * steps
    return f"at most about {seconds:.2g} s for {steps:g} steps of AdamW with {seeds} seeds, measured here and now"
