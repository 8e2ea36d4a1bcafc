"""The distribution of steps over tasks, levels and seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tables import case, run, write

from pytest_optbench.analysis.collection import collect
from pytest_optbench.analysis.ecdf import counted_levels, distribution
from pytest_optbench.words.threshold import shipped_thresholds

KNOWN = shipped_thresholds()["rosenbrock2", 1]
EASY = sum(level >= KNOWN.target for level in KNOWN.levels)
TASK = {"task": "rosenbrock2", "target": KNOWN.target, "budget": KNOWN.budget, "eval_every": KNOWN.eval_every}


def rosenbrock(levels, end, seed=0, **changes):
    curve = json.dumps([[0, 4.0], [end, 0.1]])
    steps = levels[EASY - 1]
    return run(seed, steps, level_steps=json.dumps(levels), curve=curve, **{**TASK, **changes})


def found(tmp_path, runs):
    collection = collect([write(tmp_path / "runs.csv", runs)], curves=False)
    levels = counted_levels(collection, collection.entries)
    return {entry.recipe: distribution(collection, entry, levels) for entry in collection.entries}


def test_of_an_unknown_task_the_target_is_the_only_level(tmp_path):
    one = found(tmp_path, case([10, 40, None, 40]))["Acme"]
    assert one.lengths.tolist() == [0.1, 0.4]
    assert one.shares.tolist() == [0.25, 0.75]
    assert (one.targets, one.runs) == (1, 4)


def test_levels_harder_than_the_target_do_not_count_where_the_record_ends_there(tmp_path):
    levels = [20, 40, 60, None][: len(KNOWN.levels)]
    one = found(tmp_path, [rosenbrock(levels, end=70)])["Acme"]
    assert one.targets == EASY < len(KNOWN.levels)
    assert one.lengths == pytest.approx(np.array(levels[:EASY]) / KNOWN.budget)
    assert one.shares[-1] == 1.0


def test_they_count_where_every_record_goes_on_to_the_budget(tmp_path):
    one = found(tmp_path, [rosenbrock([20, 40, 60, None], end=KNOWN.budget)])["Acme"]
    assert one.targets == len(KNOWN.levels)
    assert one.shares[-1] == 0.75


def test_they_do_not_count_as_soon_as_one_seed_ends_early(tmp_path):
    runs = [
        rosenbrock([20, 40, 60, None], end=KNOWN.budget),
        rosenbrock([20, 40, 60, None], end=70, seed=1),
    ]
    assert found(tmp_path, runs)["Acme"].targets == EASY


def test_a_run_that_missed_shows_all_levels(tmp_path):
    missed = [20, *[None] * (len(KNOWN.levels) - 1)]
    one = found(tmp_path, [rosenbrock(missed, end=50, outcome="diverged")])["Acme"]
    assert (one.targets, one.shares.tolist()) == (len(KNOWN.levels), [1 / len(KNOWN.levels)])


def test_entries_are_compared_on_the_levels_that_all_of_them_show(tmp_path):
    runs = [
        rosenbrock([20, 40, 60, 80], end=KNOWN.budget),
        rosenbrock([20, 40, 60, None], end=70, recipe="Able"),
    ]
    assert {name: one.targets for name, one in found(tmp_path, runs).items()} == {"Able": EASY, "Acme": EASY}


def test_another_target_than_the_shipped_one_is_the_only_level(tmp_path):
    assert found(tmp_path, [rosenbrock([20, 40, 60, None], end=70, target=123.0)])["Acme"].targets == 1


def test_shares_rise_with_steps(tmp_path):
    one = found(tmp_path, case([int(k) for k in np.random.default_rng(1).integers(1, 100, 32)]))["Acme"]
    assert (np.diff(one.shares) > 0).all()
    assert (np.diff(one.lengths) > 0).all()
    assert one.shares[-1] == pytest.approx(1.0)
