"""Scores: the area under the curve of targets reached, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from results import THRESHOLDS, run

from pytest_optbench.analysis.cases import Trial
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.analysis.score import area, breadth, scored, seed_scores, value_scores
from pytest_optbench.words.table import to_csv


@pytest.fixture
def case_of(tmp_path):
    def read(*runs):
        path = tmp_path / "runs.csv"
        path.write_text(to_csv(runs))
        (case,) = read_cases([path])
        return case

    return read


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(0, 1.0), (0.5, 1.0), (1, 1.0), (10, 0.5), (50, math.log(2) / math.log(100)), (100, 0.0), (math.inf, 0.0)],
)
def test_a_pair_counts_by_the_logarithm_of_its_steps(steps, expected):
    assert area(np.array([steps], dtype=float), 100) == pytest.approx([expected])


def test_an_area_is_that_under_the_ecdf_on_a_logarithmic_axis():
    steps = np.array([2.0, 7.0, 30.0, 99.0, math.inf])
    axis = np.logspace(0, 2, 20001)
    ecdf = (steps[:, None] <= axis).mean(axis=0)
    assert area(steps, 100).mean() == pytest.approx(np.trapezoid(ecdf, np.log(axis)) / math.log(100), abs=1e-3)


def test_a_seed_counts_every_level_up_to_the_target_and_none_beyond(case_of):
    own = seed_scores(case_of(run(steps=10, level_steps="[1, 10, 10, 20]")), THRESHOLDS["bowl", 1].levels)
    assert own == pytest.approx([(1 + 0.5 + 0.5) / 3])


def test_easier_levels_count_where_the_target_is_missed(case_of):
    own = seed_scores(case_of(run(steps=None, level_steps="[10, null, null, null]")), THRESHOLDS["bowl", 1].levels)
    assert own == pytest.approx([0.5 / 3])


def test_the_target_alone_counts_where_there_are_no_levels(case_of):
    assert seed_scores(case_of(run(steps=10, level_steps="[]")), ()) == pytest.approx([0.5])


def test_speed_up_is_that_over_tuned_adamw(case_of):
    assert scored(case_of(run(steps=20)), THRESHOLDS["bowl", 1]).speed_up == 2.0


def test_a_miss_speeds_nothing_up(case_of):
    assert scored(case_of(run(steps=None)), THRESHOLDS["bowl", 1]).speed_up == 0.0


def test_speed_up_is_unknown_where_adamw_has_no_par(case_of):
    assert math.isnan(scored(case_of(run(task="valley")), THRESHOLDS["valley", 1]).speed_up)


def test_step_cost_is_relative_to_a_gradient(case_of):
    assert scored(case_of(run()), None).step_ratio == pytest.approx(2.0)


def test_a_case_without_target_is_not_scored_alone(case_of):
    case = case_of(run(target=-math.inf, outcome="missed", steps_to_target=None))
    assert scored(case, None).scores is None


def test_breadth_is_the_share_of_values_that_reach_the_level():
    trials = [
        Trial(hyperparameters=str(k), steps=(math.inf,) * 3, best=best)
        for k, best in enumerate([(0.1, 0.2, 9.0), (0.1, 9.0, 9.0), (math.nan, math.nan, 0.1), (0.3, 0.3, 0.3)])
    ]
    assert breadth(trials, 0.3) == 0.5


def test_breadth_is_unknown_without_trials():
    assert math.isnan(breadth((), 0.3))


def test_values_are_scored_by_the_way_to_the_best_of_all(case_of):
    cases = [
        scored(case_of(run(target=-math.inf, outcome="missed", steps_to_target=None, initial=10.0, best=best)), None)
        for best in (2.0, 6.0, 10.0, None)
    ]
    assert [float(one[0]) for one in value_scores(cases)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
