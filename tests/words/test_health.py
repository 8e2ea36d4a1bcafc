"""Health: what left its range first, in which words, and how a failure tells it."""

from __future__ import annotations

import json
import math

import pytest

from pytest_optbench.words.health import (
    GROWTH,
    LARGEST_UPDATE,
    LEAST_UPDATE,
    Health,
    deviations_told,
    first_deviation,
    rounded,
)
from pytest_optbench.words.record import DIVERGENCE, Record

HEALTHY = {"loss": [2.0, 1.0, 0.5], "gradient_norm": [1.0, 2.0, 0.5], "update_ratio": [0.1, 0.01, 0.01]}


def record_of(*values):
    record = Record(target=-math.inf, budget=100, eval_every=1)
    for step, value in enumerate(values):
        record.feed(step, value)
    return record


def health_of(series):
    """The series at the steps 1, 2, ..."""
    health = Health()
    for name, values in series.items():
        for step, value in enumerate(values, 1):
            health.feed(name, step, value)
    return health


def deviation(changed=None, *, values=(2.0, 1.0), sane=None):
    return str(first_deviation(record_of(*values), health_of({**HEALTHY, **(changed or {})}), sane or {}) or "")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, ""),
        ({"loss": [2.0, math.nan, 1.0]}, "loss nan at step 2, sane while finite"),
        ({"loss": [2.0, 1.0, -math.inf]}, "loss -inf at step 3, sane while finite"),
        ({"gradient_norm": [2.0, 2.0 * GROWTH, 1.0]}, ""),
        ({"gradient_norm": [2.0, 1.0, 2.1 * GROWTH]}, "gradient_norm 2.1e+05 at step 3, sane up to 2e+05"),
        ({"gradient_norm": [math.nan] * 3}, "gradient_norm nan at step 1, sane while finite"),
        # What was 0 at first may grow to anything from the first that is not.
        ({"gradient_norm": [0.0, 1e-3, 1.0]}, ""),
        ({"update_ratio": [LARGEST_UPDATE, 0.1, 0.1]}, ""),
        ({"update_ratio": [0.1, 1.1 * LARGEST_UPDATE, 0.1]}, "update_ratio 1100 at step 2, sane up to 1000"),
        ({"update_ratio": [0.1, LEAST_UPDATE, LEAST_UPDATE]}, ""),
        ({"update_ratio": [0.0, 0.0, 0.0]}, "update_ratio 0 at step 1, sane from 1e-09"),
        ({"loss": [], "gradient_norm": [], "update_ratio": []}, ""),
        ({"update_ratio": [0.0]}, "update_ratio 0 at step 1, sane from 1e-09"),
        ({"update_ratio": [0.1, 0.1, 0.0]}, "update_ratio 0 at step 3, sane from 1e-09"),
        ({"update_ratio": [0.1, 1e-10, 0.0]}, "update_ratio 1e-10 at step 2, sane from 1e-09"),
        # A schedule that begins at 0, and a step without a gradient to follow.
        ({"update_ratio": [0.0, 0.1, 0.1]}, ""),
        ({"update_ratio": [0.0, 0.0, 0.1], "gradient_norm": [0.0, 1.0, 1.0]}, ""),
        ({"dead_units": [0.5, math.inf]}, "dead_units inf at step 2, sane while finite"),
    ],
)
def test_ranges_of_every_task(changed, text):
    assert deviation(changed) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((2.0, 2.0 * DIVERGENCE), ""),
        ((2.0, 2.1 * DIVERGENCE), "evaluation 2100 at step 1, sane up to 2000"),
        ((2.0, 1.0, math.nan), "evaluation nan at step 2, sane while finite"),
        ((math.nan,), "initial nan at step 0, sane while finite"),
        ((), ""),
    ],
)
def test_a_divergence_is_out_of_range(values, text):
    assert deviation(values=values) == text


@pytest.mark.parametrize(
    ("sane", "text"),
    [
        ({"initial": (2.0, 2.5)}, ""),
        ({"initial": (2.1, 2.5)}, "initial 2 at step 0, sane from 2.1"),
        ({"evaluation": (-math.inf, 1.5)}, "evaluation 2 at step 0, sane up to 1.5"),
        ({"update_ratio": (0.0, 0.05)}, "update_ratio 0.1 at step 1, sane up to 0.05"),
        ({"gradient_norm": (0.0, 1.5)}, "gradient_norm 2 at step 2, sane up to 1.5"),
        ({"dead_units": (0.0, 0.5)}, "dead_units 0.75 at step 3, sane up to 0.5"),
        ({"dead_units": (0.6, math.inf)}, "dead_units 0.25 at step 1, sane from 0.6"),
    ],
)
def test_a_task_declares_ranges_of_its_own(sane, text):
    assert deviation({"dead_units": [0.25, 0.5, 0.75]}, sane=sane) == text


def test_the_earliest_deviation_counts_and_at_one_step_what_is_measured_first():
    wrong = {"update_ratio": [0.1, 2e3, 0.1], "gradient_norm": [1.0, 1.0, 1e9], "dead_units": [0.0, math.nan, 1.0]}
    assert deviation(wrong, values=(2.0, 1.0, 1e9)).startswith("update_ratio 2000 at step 2")
    assert deviation(wrong, values=(2.0, 1e9)).startswith("evaluation 1e+09 at step 1")
    assert deviation({"dead_units": wrong["dead_units"]}, values=(2.0, 1.0, 1e9)).startswith("evaluation 1e+09")


def test_a_cell_is_short_json():
    health = health_of({"loss": [0.123456789, math.nan], "dead_units": [1.0]})
    assert health.to_json() == '{"loss":[[1,0.1235],[2,null]],"dead_units":[[1,1.0]]}'
    assert json.loads(health.to_json())["loss"][1] == [2, None]
    assert Health().to_json() == ""


def test_examples_are_rounded_wherever_they_are():
    assert rounded([[0.123456789, math.inf], [3, True]]) == [[0.1235, None], [3, True]]


def test_the_commonest_two_are_told_with_their_seeds():
    loss, update = "loss nan at step 3, sane while finite", "update_ratio 0 at step 1, sane from 1e-09"
    later = "update_ratio 0 at step 4, sane from 1e-09"
    initial = "initial 9 at step 0, sane up to 3"
    assert deviations_told([loss, update, "", later, loss, later, initial]) == [
        f"first out of range: {update} (3 of 7 seeds)",
        f"first out of range: {loss} (2 of 7 seeds)",
    ]
    assert deviations_told(["", ""]) == []
