"""Runs: the columns of the runs table."""

from __future__ import annotations

import math

import pytest

from pytest_optbench.words.run import COLUMNS, OUTCOMES, VOLATILE, Run, column_documentation


def test_every_column_is_documented():
    assert [name for name, _, _, text in column_documentation() if text] == list(COLUMNS)


def test_columns_in_steps_and_bytes_say_so():
    units = {name: unit for name, _, unit, _ in column_documentation()}
    assert units["budget"] == units["eval_every"] == units["steps_to_target"] == "steps"
    assert units["state_bytes_per_param"] == units["peak_bytes"] == "bytes"
    assert units["step_ms"] == "milliseconds"


def test_outcome_words():
    assert OUTCOMES == ("reached", "missed", "diverged", "crashed", "timeout")


def test_what_may_differ_between_equal_runs_is_time_and_memory():
    assert {"step_ms", "gradient_ms", "peak_bytes", "timestamp"} == VOLATILE


@pytest.mark.parametrize(("steps_to_target", "steps"), [(None, math.inf), (0, 0.0), (120, 120.0)])
def test_a_miss_takes_infinitely_many_steps(steps_to_target, steps):
    assert Run(steps_to_target=steps_to_target).steps == steps
