"""Cost of the engine against the loop that one would write by hand: one seed after another, ordinary autograd.

Run with `pytest tests/benchmarks --benchmark-enable --benchmark-json=engine.json`; the ratios are each test's
`extra_info`. Every variant does the same work: 32 seeds of AdamW, the same data, steps and evaluations.
"""

from __future__ import annotations

import math
import statistics
import time
from itertools import count

import pytest
import torch

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.engine.group import BLOCK
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.threshold import Threshold

SEEDS = tuple(range(32))
STEPS = {"unit": 192, "small": 64}
RECIPE = Recipe(name="AdamW", optimizer=torch.optim.AdamW, where="benchmark", hyperparameters={"lr": 1e-3})


def work(task: Task, steps: int) -> Threshold:
    """A budget that nobody leaves early: an unreachable target, evaluated as often as the real one."""
    every = threshold_of(task).eval_every
    return UnreachableThreshold(target=-math.inf, budget=max(steps // every, 1) * every, interval=every)


class UnreachableThreshold(Threshold):
    def __init__(self, target: float, budget: int, interval: int) -> None:
        super().__init__(target, budget)
        object.__setattr__(self, "interval", interval)

    @property
    def eval_every(self) -> int:
        return self.interval


def plain_loop(task: Task, threshold: Threshold, seeds: tuple[int, ...]) -> list[float]:
    """What a benchmark script does: for every seed, for every step, zero_grad, loss, backward, step."""
    finals = []
    for seed in seeds:
        streams = Streams(task.name, task.version, seed)
        constants = {**task.shared(), **task.private(streams)}
        parameters = {
            name: torch.nn.Parameter(value.clone()) for name, value in task.initial(streams, constants).items()
        }
        optimizer = RECIPE.build(parameters.values())
        for step in count():
            if step % threshold.eval_every == 0:
                with torch.no_grad():
                    value = task.evaluate(parameters, constants, torch.tensor(float(step))).item()
                if step == threshold.budget or not math.isfinite(value):
                    break
            if step % BLOCK == 0:
                block = Streams(task.name, task.version, seed, step // BLOCK)
                batches = task.batches(block, step, BLOCK, constants)
            optimizer.zero_grad()
            task.loss(parameters, constants, {name: data[step % BLOCK] for name, data in batches.items()}).backward()
            optimizer.step()
        finals.append(value)
    return finals


def engine(task: Task, threshold: Threshold, seeds: tuple[int, ...], mode: str) -> list[float]:
    case = Case(
        recipe=RECIPE,
        capabilities=validate(RECIPE),
        task=task,
        threshold=threshold,
        seeds=seeds,
        engine=mode,
    )
    run = CaseRun(case)
    run.run()
    return [row.final for row in run.rows()]


ROUNDS = 7


@pytest.mark.parametrize("task", BUILTIN, ids=lambda task: task.name)
def test_case_of_32_seeds(benchmark, task):
    """The three in turn, round after round, so that a machine whose speed drifts does so for all of them."""
    # Where nothing is timed, a little of the same work shows that the benchmark still runs.
    seeds, steps = (SEEDS[:2], 8) if benchmark.disabled else (SEEDS, STEPS[task.tier])
    threshold = work(task, steps)
    seconds: dict[str, list[float]] = {"loop": [], "lockstep": [], "sequential": []}

    def in_turn():
        for variant, times in seconds.items():
            started = time.perf_counter()
            if variant == "loop":
                with isolated():
                    finals = plain_loop(task, threshold, seeds)
            else:
                finals = engine(task, threshold, seeds, variant)
            times.append(time.perf_counter() - started)
            assert all(map(math.isfinite, finals))
            assert len(finals) == len(seeds)

    benchmark.pedantic(in_turn, rounds=ROUNDS, warmup_rounds=1)
    for variant in ("lockstep", "sequential"):
        # A round's ratio, then the median over rounds; the first round is the warm-up.
        ratios = [a / b for a, b in zip(seconds[variant], seconds["loop"], strict=True)][1:] or [math.nan]
        benchmark.extra_info[f"{variant} / loop"] = round(statistics.median(ratios), 3)
        benchmark.extra_info[f"{variant} s"] = round(statistics.median(seconds[variant]), 3)
    benchmark.extra_info["loop s"] = round(statistics.median(seconds["loop"]), 3)
