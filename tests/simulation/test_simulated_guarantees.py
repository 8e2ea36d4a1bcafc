"""The gate over resampled suites: false alarms below alpha, power against true slowdowns, figures as in the README."""

from __future__ import annotations

import math

import numpy as np
import pytest
import suites
from scipy import stats
from stored import RECIPES, SEEDS, stored_runs
from suites import Side, decide, fresh, simulated_alarms, simulated_rank_alarms, swapped

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.comparison import compare
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.gate import Gate

LAX = Gate(alpha=0.2, tolerance=0.0)
"""A gate whose false alarms are frequent enough to be counted."""


def row(side, case, *, start=1.0):
    """A case of one simulated side, as a baseline would hold it."""
    seeds = tuple(range(len(side.steps)))
    return BaselineRow(
        recipe=case.recipe,
        task=case.task,
        task_version=1,
        budget=case.budget,
        eval_every=case.eval_every,
        target=0.0,
        seeds=seeds,
        initial=(start,) * len(seeds),
        outcomes=tuple(
            "diverged" if bad else "reached" if math.isfinite(one) else "missed"
            for one, bad in zip(side.steps, side.diverged, strict=True)
        ),
        steps=tuple(int(one) if math.isfinite(one) else None for one in side.steps),
        best=(None,) * len(seeds),
    )


def judged(before, after, case, **rest):
    """What the comparison of the package says, in the words of the simulation."""
    found = compare(row(before, case), row(after, case, **rest), Gate())
    return "failed" if found.newly_diverged or found.change == "slower" else found.change.replace("changed", "")


def simulated(case, factor, random):
    """One case on the same seeds with so many times the steps, or with every run diverged for an infinite factor."""
    chosen = random.integers(SEEDS, size=32)
    after = Side(case.slowed(factor)[chosen], case.diverged[chosen] | math.isinf(factor))
    return Side(case.steps[chosen], case.diverged[chosen]), after


def test_the_stored_runs_hold_misses_and_divergences():
    stored = stored_runs()
    assert len(stored) == 15 * len(RECIPES)
    assert {len(case.steps) for case in stored} == {len(case.nudged) for case in stored} == {SEEDS}
    assert sum(0.1 < np.isinf(case.steps).mean() < 0.9 for case in stored) >= 5
    assert sum(0.1 < case.diverged.mean() < 0.9 for case in stored) >= 3


@pytest.mark.parametrize("factor", [1.0, 1.04, 1.06, 1.1, 0.97, 0.9, 1.5, math.inf])
def test_simulated_cases_are_judged_as_the_gate_judges(factor):
    random = np.random.default_rng(3)
    words = []
    for case in stored_runs():
        before, after = simulated(case, factor, random)
        words.append(str(decide(before, after, Gate())))
        assert words[-1] == judged(before, after, case), (case.recipe, case.task)
    if factor in (1.0, 1.1, 0.9, math.inf):
        assert set(words) - {""} == {1.0: set(), 1.1: {"failed"}, 0.9: {"faster"}, math.inf: {"failed"}}[factor]


@pytest.mark.parametrize("draw", [fresh, swapped])
def test_unchanged_optimizers_are_left_alone(draw):
    found = simulated_alarms(draw, 10_000)
    assert found.bound(found.failed, found.suites) < Gate().alpha
    assert found.bound(found.faster, found.suites) < Gate().alpha


def test_without_drawing_every_case_keeps_its_level_and_the_suite_its_alpha():
    assert max(suites.false_alarm(case) for case in stored_runs()) <= Gate().level
    assert suites.false_alarm_of_suite() <= Gate().alpha


@pytest.mark.parametrize("draw", [fresh, swapped])
def test_a_lax_gate_keeps_its_alpha_too_and_alarms_do_occur(draw):
    found = simulated_alarms(draw, 2000, gate=LAX)
    for count in (found.failed, found.faster):
        assert count > 20
        assert found.bound(count, found.suites) < LAX.alpha


def test_simulation_and_calculation_agree():
    found = simulated_alarms(fresh, 4000, gate=LAX)
    expected = suites.false_alarm_of_suite(LAX)
    low, high = stats.binom.interval(0.999, 4000, expected)
    assert low <= found.failed <= high * 1.1  # known misses are simulated, and not calculated


def test_the_rank_test_keeps_its_alpha():
    gate = Gate(alpha=0.05)
    found = simulated_rank_alarms(300, gate=gate)
    assert found.bound(found.failed, found.suites) < gate.alpha
    assert found.bound(found.faster, found.suites) < gate.alpha


def test_sixteen_seeds_cannot_decide_whatever_they_say():
    case = next(case for case in stored_runs() if case.recipe == "AdamW")
    side = Side(case.steps[:16], case.diverged[:16])
    assert suites.power(1.0, 0.0, 16) == 0.0
    with pytest.raises(OptbenchError, match="no fewer than 17 can decide"):
        judged(side, Side(2 * side.steps, side.diverged), case)


@pytest.mark.parametrize(("factor", "least"), [(1.10, 0.99), (1.15, 0.999), (1.3, 0.999), (1 / 1.10, 0.99)])
def test_a_suite_sees_a_tenth_either_way(factor, least):
    cases = suites.suite_of("AdamW")
    assert suites.any_of(suites.detection(case, factor, 32, paired=True) for case in cases) >= least


def test_a_change_within_the_tolerance_is_not_seen():
    assert all(suites.detection(case, 1.02, 64, paired=False) < 0.01 for case in suites.suite_of("AdamW"))


@pytest.mark.parametrize("table", [suites.suite_powers, suites.case_powers])
def test_the_powers_in_the_readme_are_these(table):
    assert table() in suites.README.read_text(encoding="utf-8")
