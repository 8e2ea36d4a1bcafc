"""Scores: the area under the curve of targets reached, worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from results import THRESHOLDS, run

from pytest_optbench.analysis.cases import Trial
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.analysis.score import area, breadth, relative_scores, scored, seed_scores
from pytest_optbench.words.errors import OptbenchError
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


def without_target(case_of, *curves):
    """A case on a task of 100 steps without a target, with a seed per curve."""
    return scored(
        case_of(
            *(
                run(
                    seed=seed,
                    budget=100,
                    target=-math.inf,
                    outcome="missed",
                    steps_to_target=None,
                    initial=curve[0][1],
                    best=min(value for _, value in curve),
                    curve=json.dumps(curve),
                )
                for seed, curve in enumerate(curves)
            )
        ),
        None,
    )


def test_without_a_target_levels_halve_the_way_to_the_best_of_all(case_of):
    # The way is from 129 to 1: levels at 65, 33, 17, 9, 5, 3, 2.
    leads = without_target(case_of, ((0, 129.0), (1, 33.0), (10, 2.0), (100, 1.0)))
    second = without_target(case_of, ((0, 129.0), (10, 65.5), (100, 65.0)))
    stays = without_target(case_of, ((0, 129.0), (10, 200.0), (100, 129.0)))
    scores = [float(one[0]) for one in relative_scores([leads, second, stays])]
    assert scores == pytest.approx([(2 + 5 * 0.5) / 7, 0.0, 0.0])


def test_without_a_target_the_level_of_a_seed_is_reached_when_it_first_is(case_of):
    case = without_target(case_of, ((0, 129.0), (1, 1.0), (100, 50.0)), ((0, 129.0), (10, 1.0), (100, 1.0)))
    assert relative_scores([case])[0].tolist() == pytest.approx([1.0, 0.5])


def test_a_diverged_run_without_a_target_reaches_nothing(case_of):
    leads = without_target(case_of, ((0, 129.0), (100, 1.0)))
    diverged = without_target(case_of, ((0, 129.0), (1, math.nan)))
    assert relative_scores([leads, diverged])[1].tolist() == [0.0]


def test_a_table_without_curves_has_no_score_where_there_is_no_target(case_of):
    case = case_of(run(target=-math.inf, outcome="missed", steps_to_target=None))
    with pytest.raises(OptbenchError, match="no curve of every seed"):
        scored(replace(case, curves=()), None)
