"""Speed-up over a reference, with its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tables import case, write

from pytest_optbench.analysis.collection import collect
from pytest_optbench.analysis.speedup import interquartile_mean, interval, scores, speed_ups


def test_a_score_is_the_binary_logarithm_of_how_many_times_as_fast():
    assert scores(np.array([10.0, 40.0]), np.array([20.0, 10.0])).tolist() == [1.0, -2.0]


def test_scores_are_clipped_and_a_miss_is_at_the_end():
    assert scores(np.array([1.0, 1000.0]), np.array([1000.0, 1.0])).tolist() == [3.0, -3.0]
    assert scores(np.array([math.inf, 5.0]), np.array([5.0, math.inf])).tolist() == [-3.0, 3.0]


def test_pairs_that_both_miss_are_left_out():
    assert scores(np.array([math.inf, 5.0]), np.array([math.inf, 5.0])).tolist() == [0.0]


def test_the_interquartile_mean_leaves_out_the_lowest_and_the_highest_quarter():
    assert interquartile_mean(np.array([-100.0, 1.0, 2.0, 3.0, 6.0, 7.0, 100.0, 9.0])) == pytest.approx(4.5)
    assert interquartile_mean(np.array([7.0, 3.0, 5.0])) == 5.0  # a quarter of three is no whole value


def test_the_interval_is_that_of_the_mean_where_all_scores_agree():
    assert interval([np.full(8, 0.5), np.full(8, 0.5)]) == (0.5, 0.5)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        low, high = interval([generator.normal(0.3, 1.0, 32) for _ in range(2)], resamples=200)
        held += low <= 0.3 <= high
    assert 88 <= held <= 99


def test_a_stratum_is_resampled_by_itself():
    """Two tasks without spread of their own have none together, however far apart they are."""
    low, high = interval([np.full(6, -1.0), np.full(6, 2.0)])
    assert low == high == 0.5


def of_adamw(tmp_path, factor, **changes):
    probe = collect([write(tmp_path / "probe.csv", case([1], task="rosenbrock2"))], curves=False)
    reference = probe.references["rosenbrock2", 1]["AdamW"]
    steps = [None if math.isinf(one) else round(one * factor) for one in reference.steps]
    found = collect([write(tmp_path / "runs.csv", case(steps, task="rosenbrock2", **changes))], curves=False)
    return speed_ups(found, found.entries[0])


def test_half_the_steps_of_adamw_are_twice_as_fast(tmp_path):
    (one,) = of_adamw(tmp_path, 0.5)
    assert (one.tier, one.tasks) == ("unit", 1)
    assert one.low <= one.ratio <= one.high
    assert one.ratio == pytest.approx(2.0, rel=0.01)


def test_the_same_table_gives_the_same_interval(tmp_path):
    assert of_adamw(tmp_path, 0.8) == of_adamw(tmp_path, 0.8)


def test_a_task_without_the_reference_has_no_speed_up(tmp_path):
    found = collect([write(tmp_path / "runs.csv", case([1, 2]))], curves=False)
    assert speed_ups(found, found.entries[0]) == []


def test_seeds_are_paired_with_the_same_seed(tmp_path):
    probe = collect([write(tmp_path / "probe.csv", case([1], task="rosenbrock2"))], curves=False)
    reference = probe.references["rosenbrock2", 1]["AdamW"]
    last = [seed for seed, one in zip(reference.seeds.tolist(), reference.steps, strict=True) if one < math.inf][-3:]
    runs = case([int(x) if x < math.inf else None for x in reference.steps], task="rosenbrock2")
    found = collect([write(tmp_path / "runs.csv", [one for one in runs if one.seed in last])], curves=False)
    (one,) = speed_ups(found, found.entries[0])
    assert (one.pairs, one.ratio, one.low, one.high) == (3, 1.0, 1.0, 1.0)
