"""Cost of the engine against the loop that one would write by hand: one seed after another, ordinary autograd.

Run with `pytest tests/benchmarks/test_engine.py --benchmark-enable --benchmark-json=engine.json`, with `-m ''` for all
tasks and not one in twelve; the ratios are each test's `extra_info`. Every variant does the same work: 32 seeds, the
same data, steps and evaluations. The floor is the share of the loop that the batched arithmetic alone takes: traced
gradients and evaluations of all seeds, no optimizer.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from functools import cache
from itertools import count

import pytest
import torch
from catalogue import sampled

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.engine.group import BLOCK, Placement
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tasks.task import Task, Tensors, instance
from pytest_optbench.words.threshold import Threshold

SEEDS = tuple(range(32))
STEPS = {"unit": 192, "small": 64}
RECIPES = {
    name: Recipe(name=name, optimizer=optimizer, where="benchmark", hyperparameters={"lr": 1e-5, **options})
    for name, optimizer, options in (
        ("AdamW", torch.optim.AdamW, {}),
        ("SGD-nesterov", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    )
}


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


def plain_loop(recipe: Recipe, task: Task, threshold: Threshold, seeds: tuple[int, ...]) -> list[float]:
    """What a benchmark script does: for every seed, for every step, zero_grad, loss, backward, step."""
    finals = []
    for seed in seeds:
        streams = Streams(task.name, task.version, seed)
        constants = {**task.shared(), **task.private(streams)}
        parameters = {
            name: torch.nn.Parameter(value.clone()) for name, value in task.initial(streams, constants).items()
        }
        optimizer = recipe.build(parameters.values())
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


def engine(recipe: Recipe, task: Task, threshold: Threshold, seeds: tuple[int, ...], mode: str) -> list[float]:
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=threshold,
        seeds=seeds,
        engine=mode,
    )
    run = CaseRun(case)
    run.run()
    assert run.mode == mode or run.rows()[0].engine_reason  # stacked where it can be; the reason why not is told
    return [row.final for row in run.rows()]


@cache
def batched(task: Task) -> Batched:
    return Batched(task)


def floor(task: Task, threshold: Threshold, seeds: tuple[int, ...]) -> None:
    """The arithmetic of the engine alone: as many traced gradients and evaluations, of parameters that never move."""
    placement = Placement(torch.device("cpu"), torch.float32)
    with isolated(), torch.no_grad():
        functions = batched(task)
        each = [instance(task, seed) for seed in seeds]
        parameters = stack([placement.put(start) for _, start in each])
        constants = stack([placement.put(given) for given, _ in each])
        memory = stack([placement.put(task.memory(start, given)) for given, start in each])
        blocks = [
            task.batches(Streams(task.name, task.version, seed, 0), 0, 1, given)
            for seed, (given, _) in zip(seeds, each, strict=True)
        ]
        batch = stack([{name: tensor[0] for name, tensor in block.items()} for block in blocks])
        for step in range(threshold.budget + 1):
            if step % threshold.eval_every == 0:
                functions.evaluate(parameters, constants, torch.tensor(float(step)))
            if step < threshold.budget:
                functions.gradient(parameters, constants, batch, memory)


def stack(tensors: Sequence[Tensors]) -> Tensors:
    return {name: torch.stack([one[name] for one in tensors]) for name in tensors[0]}


ROUNDS = 3
VARIANTS = ("loop", "stacked", "lockstep", "floor")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("task", sampled(every=12, first=9))
def test_case_of_32_seeds(benchmark, task, name):
    """The variants in turn, round after round, so that a machine whose speed drifts does so for all of them."""
    # Where nothing is timed, a little of the same work shows that the benchmark still runs.
    seeds, steps = (SEEDS[:4], 8) if benchmark.disabled else (SEEDS, STEPS[task.tier])
    threshold = work(task, steps)
    recipe = RECIPES[name]
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}

    def in_turn():
        for variant, times in seconds.items():
            started = time.perf_counter()
            if variant == "floor":
                floor(task, threshold, seeds)
            elif variant == "loop":
                with isolated():
                    assert len(plain_loop(recipe, task, threshold, seeds)) == len(seeds)
            else:
                finals = engine(recipe, task, threshold, seeds, variant)
                assert all(map(math.isfinite, finals))
            times.append(time.perf_counter() - started)

    benchmark.pedantic(in_turn, rounds=ROUNDS)
    for variant in VARIANTS:
        benchmark.extra_info[f"{variant} s"] = round(statistics.median(seconds[variant]), 4)
        # A round's ratio, then the median over rounds; the first round makes the traces.
        ratios = [a / b for a, b in zip(seconds[variant], seconds["loop"], strict=True)][1:] or [math.nan]
        benchmark.extra_info[f"{variant} / loop"] = round(statistics.median(ratios), 4)
