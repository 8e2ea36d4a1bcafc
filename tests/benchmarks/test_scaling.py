"""How the cost of a case grows with its seeds and its parameters, what tuning adds, and how much memory it takes.

Run with `pytest tests/benchmarks/test_scaling.py --benchmark-enable --benchmark-json=scaling.json`, with `-m ''` for
all tasks and not one in twelve; the figures are each test's `extra_info`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from catalogue import sampled

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.search import open_search
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tuning import TunedRun
from pytest_optbench.words.threshold import Threshold

TASKS = {task.name: task for task in BUILTIN}
RECIPES = {
    "AdamW": Recipe(name="AdamW", optimizer=torch.optim.AdamW, where="benchmark"),
    "SGD-momentum": Recipe(
        name="SGD-momentum", optimizer=torch.optim.SGD, where="benchmark", hyperparameters={"momentum": 0.9}
    ),
}
ROUNDS = 3


def seconds_of(case: Case) -> float:
    """Seconds of a case that nobody leaves early, after a run that made its traces."""
    CaseRun(case).run()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run = CaseRun(case)
        run.run()
        times.append(time.perf_counter() - started)
        assert run.mode == case.mode
    return statistics.median(times)


def endless(task, seeds: int, steps: int, engine: str = "stacked") -> Case:
    recipe = replace(RECIPES["AdamW"], hyperparameters={"lr": 1e-5})
    return Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=Threshold(target=float("-inf"), budget=steps),
        seeds=tuple(range(seeds)),
        engine=engine,
    )


@pytest.mark.parametrize("name", ["rosenbrock2", "digits_mlp_bn"])
def test_cost_against_the_number_of_seeds(benchmark, name):
    """The time of 2 to 256 seeds, as a multiple of that of two."""
    counts, steps = ((2, 4), 4) if benchmark.disabled else ((2, 4, 8, 16, 32, 64, 128, 256), 64)
    times = {count: seconds_of(endless(TASKS[name], count, steps)) for count in counts}
    benchmark.pedantic(lambda: None)
    benchmark.extra_info["times of two seeds"] = {count: round(t / times[2], 2) for count, t in times.items()}
    benchmark.extra_info["seconds of two seeds"] = round(times[2], 4)


def test_cost_against_the_number_of_parameters(benchmark):
    """The time of 32 seeds of a quadratic of 10 to 10,000 parameters, as a multiple of that of 10."""
    sizes, steps = ((10, 100), 4) if benchmark.disabled else ((10, 100, 1000, 10_000), 64)
    times = {size: seconds_of(endless(replace(TASKS["sphere10"], dimension=size), 32, steps)) for size in sizes}
    benchmark.pedantic(lambda: None)
    benchmark.extra_info["times of ten parameters"] = {size: round(t / times[10], 2) for size, t in times.items()}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("task", sampled(every=12, first=3))
def test_cost_of_a_first_run(benchmark, task, name):
    """Tuning and judging, as a multiple of judging alone, with the real target and budget."""
    recipe = RECIPES[name]
    threshold = threshold_of(task)
    if benchmark.disabled:
        threshold = Threshold(threshold.target, 8)
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=task,
        threshold=threshold,
        seeds=tuple(range(4 if benchmark.disabled else 32)),
        search=open_search(recipe),
    )
    first = TunedRun(case)
    first.run()  # makes the traces, too
    ratios, judging = [], []
    for _ in range(1 if benchmark.disabled else 2):
        times = []
        for known in (None, first.values):
            started = time.perf_counter()
            TunedRun(case, known=known).run()
            times.append(time.perf_counter() - started)
        ratios.append(times[0] / times[1])
        judging.append(times[1])
    benchmark.pedantic(lambda: None)
    benchmark.extra_info["first run / gate run"] = round(statistics.median(ratios), 2)
    benchmark.extra_info["gate run s"] = round(statistics.median(judging), 4)
    benchmark.extra_info["chosen"] = dict(first.values or {})


PEAK = """
import pathlib, sys, pytest
pytest.main(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), file=sys.stderr)
"""
"""Of the process itself: what `getrusage` tells of a child includes the parent that it was forked from."""


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's account of a process")
def test_peak_memory_of_the_unit_tier(benchmark, tmp_path):
    """The most resident memory of a session of the unit tier, tuning included, in MiB."""
    few = ["--optbench-tasks=quartic_saddle", "--optbench-seeds=4"] if benchmark.disabled else []
    arguments = [
        "--optbench",
        "--optbench-layer=tasks",
        "--optbench-tier=unit",
        "--optbench-optimizer=torch.optim:AdamW",
        *few,
    ]
    command = [sys.executable, "-c", PEAK, *arguments, "-p", "no:cacheprovider"]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"cwd": tmp_path, "capture_output": True, "text": True, "check": True}
    )
    peak = int(done.stderr.split()[-1]) / 1024
    benchmark.extra_info["MiB"] = round(peak)
    assert peak > 0
