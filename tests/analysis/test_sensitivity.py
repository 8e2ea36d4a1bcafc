"""Sensitivity to the learning rate."""

from __future__ import annotations

import math

import pytest
from tables import case, trial, write

from pytest_optbench.analysis.collection import collect
from pytest_optbench.analysis.rates import rate_of
from pytest_optbench.analysis.sensitivity import sensitivity

CHOSEN = {"hyperparameters": '{"lr": 0.1}', "regime": "tuned"}


def rates(tmp_path, runs):
    found = collect([write(tmp_path / "runs.csv", runs)], curves=False)
    return sensitivity(found, found.entries[0])


def test_a_rate_solves_a_task_by_the_median_of_its_trials(tmp_path):
    runs = [
        *case([10], **CHOSEN),
        *trial(0.1, [10, 20, 30]),
        *trial(1.0, [40, None, 40]),
        *trial(10.0, [40, None, None]),
    ]
    found = rates(tmp_path, runs)
    assert [(one.rate, one.tasks, one.solved, one.chosen) for one in found] == [
        (0.1, 1, 1, 1),
        (1.0, 1, 1, 0),
        (10.0, 1, 0, 0),
    ]
    assert [one.ratio for one in found[:2]] == [1.0, 2.0]
    assert math.isnan(found[2].ratio)


def test_ratios_are_the_median_over_tasks_that_the_rate_solves(tmp_path):
    runs = []
    for task, slow in (("bowl", 20), ("cliff", 40), ("wall", None)):
        runs += [*case([10], task=task, **CHOSEN), *trial(0.1, [10] * 3, task=task), *trial(1.0, [slow] * 3, task=task)]
    found = rates(tmp_path, runs)
    assert [(one.rate, one.tasks, one.solved, one.ratio) for one in found] == [(0.1, 3, 3, 1.0), (1.0, 3, 2, 3.0)]


def test_trials_that_differ_in_more_than_the_rate_say_nothing_of_it(tmp_path):
    runs = [*case([10], **CHOSEN)]
    for beta in (0.9, 0.99):
        runs += case([10], trial=1, hyperparameters=f'{{"lr": 0.1, "beta": {beta}}}')
    assert rates(tmp_path, runs) == []


def test_a_table_without_trials_says_nothing(tmp_path):
    assert rates(tmp_path, case([10], **CHOSEN)) == []


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ('{"lr": 0.1, "momentum": 0.9}', 0.1),
        ('{"lr": 1}', 1.0),
        ('{"lr": "0.1"}', None),
        ('{"lr": true}', None),
        ('{"lr": -1}', None),
        ('{"lr": Infinity}', None),
        ("[1]", None),
        ("{", None),
        ("", None),
        ("{}", None),
    ],
)
def test_a_learning_rate_is_a_number_above_zero(text, rate):
    assert rate_of(text) == rate
