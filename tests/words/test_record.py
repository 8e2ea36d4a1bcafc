"""Records: from evaluations to an outcome."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import struct

import pytest

from pytest_optbench.words.record import CURVE_POINTS, Record

NAN, INF = math.nan, math.inf


def fed(*values, every=10, budget=None, **options):
    """A record that was given these values, one per evaluation, until it is finished."""
    budget = budget if budget is not None else every * (len(values) - 1)
    record = Record(**{"target": 1.0, "budget": budget, "eval_every": every, **options})
    for k, value in enumerate(values):
        if record.finished:
            break
        record.feed(every * k, value)
    return record


@pytest.mark.parametrize(
    ("values", "outcome", "steps"),
    [
        # The first of two in a row decides.
        ([5, 3, 1, 0.5], "reached", 20),
        ([5, 1, 1], "reached", 10),
        ([1, 1, 5], "reached", 0),
        ([5, 1, 5, 1, 1], "reached", 30),
        ([5, 1, 5, 1, 5], "missed", None),
        # The second must lie within the budget too.
        ([5, 3, 1], "missed", None),
        ([5, 4, 3, 2], "missed", None),
        # What is not finite is never at or below a target.
        ([5, 1, NAN, 1, 1], "diverged", None),
        ([5, NAN], "diverged", None),
        ([5, INF], "diverged", None),
        ([5, 1, -INF], "diverged", None),
        ([NAN, 1, 1], "diverged", None),
        ([INF], "diverged", None),
        # A thousand times the start is a divergence, just below is not.
        ([5, 5000.1], "diverged", None),
        ([5, 5000], "missed", None),
        ([5, 5000, 1, 1], "reached", 20),
        ([-5, 6000], "diverged", None),
        ([-5, -7], "missed", None),
    ],
)
def test_outcome(values, outcome, steps):
    options = {"target": -6.0} if values[0] == -5 else {}
    record = fed(*values, **options)
    assert (record.outcome, record.steps_to_target) == (outcome, steps)


@pytest.mark.parametrize(
    ("optimum", "values", "outcome"),
    [
        (None, [100, 9e4], "missed"),
        (99.0, [100, 9e4], "diverged"),
        (99.0, [100, 1098], "missed"),
        (-50.0, [1, 5e4], "missed"),
        (-50.0, [1, 5.2e4], "diverged"),
        (0.0, [100, 1.1e5], "diverged"),
    ],
)
def test_divergence_is_measured_from_the_optimum(optimum, values, outcome):
    assert fed(*values, optimum=optimum, target=0.5).outcome == outcome


@pytest.mark.parametrize(("target", "outcome"), [(NAN, "missed"), (-INF, "missed"), (INF, "reached")])
def test_odd_targets(target, outcome):
    assert fed(5, 5, 5, target=target).outcome == outcome


def test_nothing_is_decided_before_the_budget_ends():
    record = fed(5, 4, 3, budget=100)
    assert (record.outcome, record.finished) == (None, False)


@pytest.mark.parametrize(("budget", "evaluations"), [(29, 3), (30, 4), (31, 4)])
def test_a_miss_comes_with_the_last_evaluation_of_the_budget(budget, evaluations):
    record = fed(*[5] * 10, budget=budget)
    assert (record.outcome, len(record.values)) == ("missed", evaluations)


def test_a_window_averages_the_last_evaluations():
    record = fed(9, 3, 0, 3, 6, window=3, target=-INF)
    assert record.values == [9, 6, 4, 2, 3]


def test_a_window_is_judged_by_its_average():
    assert fed(9, 0, 0, 0, 0, 0, window=3, target=0.5).steps_to_target == 30


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_window_does_not_hide_what_is_not_finite(value):
    assert fed(9, 3, value, window=3).outcome == "diverged"


def test_a_reached_target_ends_the_record():
    assert fed(5, 1, 1, 0, 0, 0).values == [5, 1, 1]


def test_with_full_budget_the_record_goes_on():
    record = fed(5, 1, 1, 0, 7, 7, full_budget=True)
    assert record.values == [5, 1, 1, 0, 7, 7]
    assert (record.outcome, record.steps_to_target, record.finished) == ("reached", 10, True)


@pytest.mark.parametrize("value", [NAN, 6000])
def test_with_full_budget_a_divergence_ends_it_but_takes_nothing_back(value):
    record = fed(5, 1, 1, value, 1, 1, full_budget=True)
    assert len(record.values) == 4
    assert record.outcome == "reached"


@pytest.mark.parametrize(
    ("values", "best"), [([5, 3, 4], 3), ([5, NAN], 5), ([NAN], None), ([], None), ([5, -INF], -INF)]
)
def test_the_best_value_leaves_nan_out(values, best):
    assert fed(*values, budget=1000).best == best


def curve(*values, **options):
    return json.loads(fed(*values, target=-INF, **options).curve())


def test_a_curve_begins_and_ends_with_the_record():
    points = curve(*range(1000, 0, -1))
    assert points[0] == [0, 1000.0]
    assert points[-1] == [9990, 1.0]


def test_a_curve_is_spaced_by_ratios():
    steps = [step for step, _ in curve(*[5.0] * 1001)]
    assert steps == sorted(set(steps))
    assert CURVE_POINTS * 2 // 3 <= len(steps) <= CURVE_POINTS + 1
    assert steps[:4] == [0, 10, 20, 30]
    assert all(later < 1.5 * step for step, later in itertools.pairwise(steps[6:]))


def test_curves_of_one_schedule_share_their_steps():
    short, long = (curve(*[5.0] * count, budget=2000) for count in (50, 150))
    assert {step for step, _ in short[:-1]} <= {step for step, _ in long}


def test_a_curve_holds_no_number_that_json_lacks():
    assert curve(5.0, NAN) == [[0, 5.0], [10, None]]
    assert curve(5.0, INF) == [[0, 5.0], [10, None]]


def test_a_curve_of_nothing_is_empty():
    assert Record(1.0, 100, 10).curve() == "[]"


def test_numbers_of_a_curve_are_exact():
    assert curve(0.1 + 0.2, 1e-300)[1][1] == 1e-300
    assert curve(0.1 + 0.2, 1.0)[0][1] == 0.1 + 0.2


def test_the_hash_is_over_every_value_to_the_bit():
    values = [5.0, 0.1, 0.3]
    expected = hashlib.sha256(b"".join(struct.pack("<d", value) for value in values)).hexdigest()
    assert fed(*values, target=-INF).sha() == expected


@pytest.mark.parametrize("other", [[5.0, 0.1], [5.0, 0.1, 0.30000000000000004], [5.0, 0.3, 0.1], [5.0, 0.1, -0.3]])
def test_whatever_differs_changes_the_hash(other):
    assert fed(*other, target=-INF).sha() != fed(5.0, 0.1, 0.3, target=-INF).sha()


def test_a_path_has_the_steps_of_the_curve_and_even_ones_between():
    record = Record(1.0, 1000, 2)
    steps = sorted(record.path_steps())
    assert steps[:5] == [0, 2, 4, 6, 8]
    assert {0, *range(0, 1001, 20)} <= set(steps)
    assert (steps[-1], len(steps) <= 75) == (1000, True)
