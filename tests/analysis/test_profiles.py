"""Performance profiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tables import case, write

from pytest_optbench.analysis.collection import Collection, collect
from pytest_optbench.analysis.profiles import profile, ratios


def test_a_profile_is_the_share_of_tasks_at_every_ratio():
    values, shares = profile(np.array([4.0, 1.0, math.inf, 1.0]))
    assert values.tolist() == [1.0, 4.0]
    assert shares.tolist() == [0.5, 0.75]


def test_a_profile_rises_and_stays_below_one_by_the_share_of_misses():
    generator = np.random.default_rng(0)
    drawn = generator.lognormal(size=50)
    drawn[:10] = math.inf
    _, shares = profile(drawn)
    assert (np.diff(shares) > 0).all()
    assert shares[-1] == pytest.approx(0.8)


def test_of_misses_alone_there_is_no_point():
    values, shares = profile(np.full(3, math.inf))
    assert (values.size, shares.size) == (0, 0)


def test_scaling_all_steps_of_an_entry_shifts_its_profile():
    values, shares = profile(np.array([1.0, 2.0, 8.0]))
    shifted, same = profile(2 * np.array([1.0, 2.0, 8.0]))
    assert (shifted == 2 * values).all()
    assert (same == shares).all()


def of_rosenbrock(tmp_path, factor):
    """A table of one case that takes a factor of the steps of the best reference."""
    probe = collect([write(tmp_path / "probe.csv", case([1], task="rosenbrock2", **VERSION))], curves=False)
    best = probe.best_reference(("rosenbrock2", VERSION["task_version"]))
    steps = [round(factor * best)] * 3
    return best, collect([write(tmp_path / "runs.csv", case(steps, task="rosenbrock2", **VERSION))], curves=False)


VERSION = {"task_version": 1}


def test_the_denominator_is_the_best_reference_so_that_a_ratio_can_be_below_one(tmp_path):
    best, found = of_rosenbrock(tmp_path, 0.5)
    (one,) = ratios(found, found.entries[0])
    assert one.best == best
    assert one.ratio == pytest.approx(0.5, rel=0.02)


def test_a_reference_that_evaluates_several_gradients_a_step_is_no_denominator():
    found = Collection()
    best = {
        key: (some["LBFGS"].median_steps, found.best_reference(key))
        for key, some in found.references.items()
        if "LBFGS" in some
    }
    assert any(lbfgs < others for lbfgs, others in best.values())


def test_a_task_that_is_not_in_the_reference_table_has_no_ratio(tmp_path):
    found = collect([write(tmp_path / "runs.csv", case([1, 2]))], curves=False)
    assert ratios(found, found.entries[0]) == []


def test_another_version_of_a_task_has_no_ratio(tmp_path):
    found = collect([write(tmp_path / "runs.csv", case([1], task="rosenbrock2", task_version=99))], curves=False)
    assert ratios(found, found.entries[0]) == []


def test_a_miss_is_infinite(tmp_path):
    table = write(tmp_path / "runs.csv", case([None, None, 5], task="rosenbrock2"))
    found = collect([table], curves=False)
    assert [one.ratio for one in ratios(found, found.entries[0])] == [math.inf]
