"""The list for github-action-benchmark: what is in it, and what stands for a miss."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_optbench.report.benchmark_list import to_benchmark_list
from pytest_optbench.words.run import Run


def runs(*steps: int | None, outcome: str = "missed", **columns: Any) -> list[Run]:
    given = {"recipe": "Lion", "task": "beale", "task_version": 2, "budget": 100, "target": 0.5, **columns}
    return [
        Run(seed=seed, outcome="reached" if one is not None else outcome, steps_to_target=one, **given)
        for seed, one in enumerate(steps)
    ]


def entries(rows: list[Run]) -> list[dict[str, Any]]:
    found = json.loads(to_benchmark_list(rows))
    assert isinstance(found, list)
    return found


def test_an_entry_has_the_median_and_the_quartiles() -> None:
    assert entries(runs(10, 20, 30, 40, 50, hyperparameters='{"lr": 0.1}')) == [
        {
            "name": "Lion on beale@2",
            "unit": "steps",
            "value": 30,
            "range": "20..40",
            "extra": '5 of 5 seeds reached 0.5 within 100 steps\nhyperparameters: {"lr": 0.1}',
        }
    ]


@pytest.mark.parametrize(
    ("steps", "outcome", "word"),
    [
        ((10, None, None), "missed", "missed"),
        ((None, None, None), "diverged", "diverged"),
        ((10, 10, None), "crashed", "crashed"),
        ((10, None), "missed", "reached"),
    ],
    ids=["missed", "diverged", "one crash", "half"],
)
def test_the_budget_stands_for_what_has_no_median(steps: tuple[int | None, ...], outcome: str, word: str) -> None:
    (entry,) = entries(runs(*steps, outcome=outcome))
    assert entry["value"] == 100
    assert entry["extra"].startswith(f"{word}, the budget stands for it: ")


def test_quartiles_say_where_seeds_miss() -> None:
    (entry,) = entries(runs(10, 10, 20, None, None))
    assert (entry["value"], entry["range"]) == (20, "10..missed")


def test_trials_of_tuning_and_what_a_test_compares_with_are_left_out() -> None:
    assert entries([*runs(10), *runs(5, trial=1), *runs(5, recipe="test_lion/SGD")]) == entries(runs(10))


def test_entries_are_sorted_and_hostile_names_are_plain_text() -> None:
    names = ['"}]<script>', "Ünïcode", "Lion"]
    found = entries([run for name in names for run in runs(10, recipe=name)])
    assert [entry["name"].removesuffix(" on beale@2") for entry in found] == sorted(names)


def test_without_cases_the_list_is_empty() -> None:
    assert entries([]) == []
