"""Entries: what is compared on a leaderboard, and what is refused."""

from __future__ import annotations

import math

import pytest
from results import TASKS, THRESHOLDS, run

from pytest_optbench.analysis.entries import entries_of
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import to_csv


@pytest.fixture
def entries(tmp_path):
    def read(*tables):
        paths = []
        for k, runs in enumerate(tables):
            paths.append(tmp_path / f"{k}.csv")
            paths[-1].write_text(to_csv(runs))
        return entries_of(read_cases(paths), tasks=TASKS, thresholds=THRESHOLDS)

    return read


def test_an_entry_has_all_cases_of_a_recipe(entries):
    (found,) = entries([run(task="bowl"), run(task="valley"), run(task="valley", seed=1)])
    assert {name: case.seeds for name, case in found.cases.items()} == {"bowl": 1, "valley": 2}


def test_recipes_of_two_files_are_two_entries(entries):
    assert len(entries([run()], [run()])) == 2


@pytest.mark.parametrize("change", [{"regime": "fixed"}, {"suite": "optbench-2027.1"}, {"optimizer_version": "2.0"}])
def test_what_must_not_be_mixed_is_an_entry_of_its_own(entries, change):
    assert len(entries([run(task="bowl"), run(task="valley", **change)])) == 2


def test_what_a_test_compared_its_recipe_with_is_no_entry(entries):
    assert entries([run(recipe="test_it/AdamW")]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task_version": 2}, "bowl@2, and this leaderboard is of bowl@1"),
        ({"target": 0.02}, "has the target 0.02, and the suite has 0.01"),
        ({"budget": 200}, "has the budget 200, and the suite has 100"),
    ],
)
def test_another_problem_than_the_suites_is_refused(entries, change, words):
    with pytest.raises(OptbenchError, match=words):
        entries([run(**change)])


def test_two_versions_of_a_task_of_ones_own_are_refused(entries):
    with pytest.raises(OptbenchError, match=r"of own@1; results of different versions are never compared"):
        entries([run(task="own")], [run(task="own", task_version=2)])


def test_a_task_without_target_can_be_compared(entries):
    without = {"target": -math.inf, "outcome": "missed", "steps_to_target": None}
    assert len(entries([run(task="own", **without)], [run(task="own", **without)])) == 2
