"""Differences: the first one is found, said with its size, and hostile curves are a sentence."""

from __future__ import annotations

import pytest

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.difference import first_difference
from pytest_optbench.words.errors import OptbenchError

ROW = {
    "recipe": "Acme",
    "task": "bowl",
    "task_version": 1,
    "budget": 9,
    "eval_every": 1,
    "target": 0.1,
    "seeds": (0, 1, 2),
    "initial": (1.0, 2.0, 3.0),
    "outcomes": ("reached", "missed", "reached"),
    "steps": (5, None, 7),
    "best": (0.05, 0.2, 0.05),
    "curve": "[[0,1.0],[3,0.5],[5,null]]",
}


def difference(**changed):
    return first_difference(BaselineRow(**ROW), BaselineRow(**{**ROW, **changed}))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"curve": "[[0,1.0],[3,0.51],[5,1]]"}, "evaluation at step 3 0.5 before, 0.51 now (relative 0.02)"),
        ({"curve": "[[0,1.0],[3,0.5],[5,1]]"}, "evaluation at step 5 not finite before, 1 now"),
        ({"curve": "[[0,0.0]]"}, "evaluation at step 0 1 before, 0 now (relative 1)"),
        ({"curve": "[[3,0.4]]", "steps": (6, None, 7)}, "evaluation at step 3 0.5 before, 0.4 now (relative 0.2)"),
        ({"steps": (6, None, 7)}, "steps to target 5 before, 6 now (relative 0.2)"),
    ],
)
def test_the_first_seed_is_looked_at_step_by_step(changed, sentence):
    assert str(difference(**changed)) == f"seed 0: {sentence}"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"initial": (1.0, None, 3.0)}, "seed 1: initial evaluation at step 0 2 before, not finite now"),
        ({"outcomes": ("reached", "diverged", "reached")}, "seed 1: outcome missed before, diverged now"),
        ({"best": (0.05, 0.2, 0.06)}, "seed 2: best evaluation 0.05 before, 0.06 now (relative 0.2)"),
        ({"best": (0.05, 0.3, 0.06)}, "seed 1: best evaluation 0.2 before, 0.3 now (relative 0.3)"),
    ],
)
def test_of_other_seeds_the_first_that_differs_is_named(changed, sentence):
    assert str(difference(**changed)) == sentence


def test_rows_that_agree_in_what_they_hold_have_no_difference():
    assert difference(curve="[[0,1.0],[3,0.5]]", trajectory_sha="other") is None


def test_only_common_seeds_are_compared():
    shifted = {"seeds": (1, 2, 3), "initial": (2.0, 3.0, 9.0), "outcomes": ("missed", "reached", "missed")}
    found = difference(**shifted, steps=(None, 7, None), best=(0.2, 0.05, 9.0), curve="[[0,99.0]]")
    assert found is None


@pytest.mark.parametrize("curve", ["", "{}x", "7", "[[1]]", '[["a",1]]', "[[0,[]]]", "[[Infinity,1]]", "[" * 100_000])
def test_a_curve_that_is_none_is_a_sentence(curve):
    with pytest.raises(OptbenchError, match=r"Acme on bowl@1: column 'curve' is .*; expected a JSON list of \[step"):
        difference(curve=curve)


def test_the_earliest_step_counts_in_whatever_order_they_come():
    before, after = (BaselineRow(**{**ROW, "curve": curve}) for curve in ("[[8,1],[3,1]]", "[[8,2],[3,2]]"))
    assert first_difference(before, after).step == 3
