"""Categories: every task of the suite has one, by the first of the list that fits."""

from __future__ import annotations

import pytest

from pytest_optbench.analysis.categories import CATEGORIES, OTHER, TaskFacts, category_of
from pytest_optbench.machine.tasks import CATALOGUE, TAGS


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"game", "generative"}, "interaction"),
        ({"classification", "linear"}, "linear models"),
        ({"noisy", "nonstationary"}, "moving targets"),
        ({"convex", "noisy"}, "noise"),
        ({"convex", "deterministic"}, "smooth functions"),
        ({"rotated"}, OTHER),
    ],
)
def test_the_first_that_fits_is_taken(tags, expected):
    assert category_of("it", {"it": TaskFacts(1, "unit", frozenset(tags))}) == expected


def test_an_unknown_task_is_other():
    assert category_of("theirs", {}) == OTHER


def test_categories_are_made_of_tags_that_exist():
    assert frozenset().union(*CATEGORIES.values()) <= TAGS.keys()


def test_no_task_of_the_catalogue_is_left_over():
    facts = {task.name: TaskFacts(task.version, task.tier, task.tags) for task in CATALOGUE}
    assert [name for name in facts if category_of(name, facts) == OTHER] == []
