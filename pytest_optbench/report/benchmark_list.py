"""A benchmark list: the medians as the JSON that github-action-benchmark reads (tool `customSmallerIsBetter`)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence

from pytest_optbench.words.run import Run
from pytest_optbench.words.table import case_rows
from pytest_optbench.words.verdict import Verdict, judge


def to_benchmark_list(rows: Iterable[Run]) -> str:
    """One entry for each case, in the order of the runs table: the median steps to target over the seeds.

    The version of a task is part of the name, since a new version begins a new series. Of a case whose median seed
    misses, crashes or times out the budget stands as the value, as the least that it can be, and `extra` begins with
    the word: left out, an optimizer that stops solving a task would raise no alert. What a test only compares with is
    left out.
    """
    cases = [case for case in case_rows(rows).values() if "/" not in case[0].recipe]
    entries = [_entry(case, judge(case)) for case in cases]
    return json.dumps(entries, indent=2, allow_nan=False) + "\n"


def _entry(case: Sequence[Run], verdict: Verdict) -> dict[str, object]:
    first = case[0]
    solved = verdict.passed and math.isfinite(verdict.median_steps)
    reached = f"{verdict.reached} of {verdict.seeds} seeds reached {first.target} within {first.budget} steps"
    return {
        "name": f"{first.recipe} on {first.task}@{first.task_version}",
        "unit": "steps",
        "value": verdict.median_steps if solved else first.budget,
        "range": "..".join(f"{steps:g}" if math.isfinite(steps) else "missed" for steps in verdict.quartiles[::2]),
        "extra": "\n".join(
            [
                reached if solved else f"{verdict.word}, the budget stands for it: {reached}",
                f"hyperparameters: {first.hyperparameters}",
            ]
        ),
    }
