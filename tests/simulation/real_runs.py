"""Real gate runs of an unchanged optimizer on fresh seeds, no two of them the same: how many fail?

python tests/simulation/real_runs.py [--runs 100] [--tasks NAMES] [--seeds 32]

Every run is measured, on seeds that none had before, and compared with the run before it by the gate's own function,
twice: as seeds that are known to be others (the rank test), and paired all the same, as if they were equal ones, which
is the worst case for pairs: they share nothing. The recipes are the references of `stored.py` that are no accident.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import reference_recipe
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.words.baseline import BaselineRow, from_runs, shipped_reference
from pytest_optbench.words.comparison import compare, failure
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate
from pytest_optbench.words.threshold import shipped_thresholds

RECIPES = ("AdamW", "SGD-nesterov")
TASKS = ("sphere10", "rosenbrock2", "quartic_saddle", "mult_noise_bowl10", "gradient_burst")
FIRST = 100_000
"""The first of the fresh seeds, far from those that tuning, scoring and calibration use."""


@dataclass(frozen=True)
class Tally:
    """Of so many gate runs of so many cases each: those that failed, and what was said of the cases."""

    runs: int
    failed: int
    words: Counter[str]

    def __str__(self) -> str:
        told = ", ".join(f"{count} {word}" for word, count in sorted(self.words.items()))
        return f"{self.failed} of {self.runs} runs failed; cases: {told}"


def measured(recipe: str, task_name: str, seeds: Sequence[int]) -> BaselineRow:
    """A case of the shipped reference at its tuned learning rate."""
    task = next(one for one in BUILTIN if one.name == task_name)
    stored = shipped_reference()[recipe, task.name, task.version]
    tuned = reference_recipe(recipe, json.loads(stored.hyperparameters)["lr"])
    case = CaseRun(
        Case(
            recipe=tuned,
            capabilities=validate(tuned),
            task=task,
            threshold=shipped_thresholds()[task.name, task.version],
            seeds=tuple(seeds),
        )
    )
    case.run()
    return from_runs(case.rows())[0]


def suites(tasks: Sequence[str], seeds: int, runs: int) -> Iterator[list[BaselineRow]]:
    """One run of every recipe on every task after another, each on seeds of its own."""
    for number in range(runs):
        start = FIRST + number * seeds
        yield [measured(recipe, task, range(start, start + seeds)) for recipe in RECIPES for task in tasks]


def tallies(rows: Iterator[list[BaselineRow]]) -> Iterator[tuple[Tally, Tally]]:
    """By the rank test, and paired all the same, after each run but the first."""
    words: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    failed = [0, 0]
    before = next(rows)
    for runs, after in enumerate(rows, start=1):
        for way, paired in enumerate((False, True)):
            fails = False
            for old, new in zip(before, after, strict=True):
                now = replace(new, seeds=old.seeds, initial=old.initial) if paired else new
                found = compare(old, now, Gate())
                words[way][found.change] += 1
                fails |= failure(found, DEFAULT_FAIL_ON, full=True) is not None
            failed[way] += fails
        yield Tally(runs, failed[0], words[0]), Tally(runs, failed[1], words[1])
        before = after


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100, help="gate runs (100)")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names with commas")
    parser.add_argument("--seeds", type=int, default=32, help="seeds of a case (32)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for tally in tallies(suites(options.tasks.split(","), options.seeds, options.runs + 1)):
        ranked, paired = tally
        if ranked.runs % 10 == 0 or ranked.runs == options.runs:
            sys.stdout.write(f"rank test: {ranked}\npaired all the same: {paired}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
