"""Standings: what seeds show about a case beside rows of the reference table."""

from __future__ import annotations

import math

import pytest

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.standing import fastest, highest, standing

STEADY = [100.0] * 32


def row(steps, *, recipe="Acme", start=1.0, target=0.1):
    seeds = tuple(range(len(steps)))
    return BaselineRow(
        recipe=recipe,
        task="bowl",
        task_version=1,
        budget=900,
        eval_every=1,
        target=target,
        seeds=seeds,
        initial=tuple(start + seed for seed in seeds),
        outcomes=tuple("missed" if math.isinf(one) else "reached" for one in steps),
        steps=tuple(None if math.isinf(one) else int(one) for one in steps),
        best=tuple(0.05 for _ in seeds),
    )


@pytest.mark.parametrize(
    ("level", "ours", "theirs", "within", "pairs", "shown"),
    [
        ("competitive", [150] * 32, STEADY, 32, 32, True),
        ("competitive", [151] * 32, STEADY, 0, 32, False),
        ("competitive", [150] * 29 + [151] * 3, STEADY, 29, 32, True),
        ("competitive", [150] * 28 + [151] * 4, STEADY, 28, 32, False),
        ("competitive", [150] * 29 + [math.inf] * 3, STEADY, 29, 32, True),
        ("competitive", [1000] * 32, [math.inf] * 32, 32, 32, True),
        ("competitive", [math.inf] * 32, [math.inf] * 32, 0, 0, False),
        ("competitive", [100] * 17, [100] * 17, 17, 17, True),
        ("competitive", [100] * 16, [100] * 16, 16, 16, False),
        ("leads", [99] * 29 + [100] * 3, STEADY, 29, 32, True),
        ("leads", [99] * 28 + [100] * 4, STEADY, 28, 32, False),
        ("leads", STEADY, STEADY, 0, 32, False),
    ],
)
def test_a_level_is_shown_by_an_exact_test(level, ours, theirs, within, pairs, shown):
    found = standing(level, row(ours), row(theirs, recipe="AdamW"), Gate())
    assert (found.within, found.pairs, found.shown) == (within, pairs, shown)


def test_medians_do_not_decide():
    ours = [100] * 20 + [1000] * 12  # a median that is competitive, and too many seeds that are not
    assert not standing("competitive", row(ours), row(STEADY), Gate()).shown


@pytest.mark.parametrize("other", [{"start": 2.0}, {"target": 0.2}])
def test_other_problems_show_nothing(other):
    found = standing("competitive", row(STEADY), row(STEADY, **other), Gate())
    assert not found.shown
    assert "its seeds do not start where those of Acme {} do" in found.sentence


def test_the_sentence_has_the_numbers():
    found = standing("leads", row([99] * 28 + [100] * 4), row(STEADY, recipe="NAdam"), Gate())
    assert found.sentence == (
        "not shown to be leads: 28 of 32 pairs of seeds take fewer steps than NAdam {} (median 100); "
        "29 must, p = 9.7e-06"
    )


def test_solving_is_no_standing():
    with pytest.raises(OptbenchError, match="unknown level beside the references 'solves'"):
        standing("solves", row(STEADY), row(STEADY), Gate())


def test_the_fastest_row_has_the_least_median():
    rows = [row([30] * 4, recipe="A"), row([10] * 4, recipe="B"), row([math.inf] * 4, recipe="C")]
    assert fastest(rows) is rows[1]
    assert fastest(rows[2:]) is None


def test_the_hardest_level_that_is_shown():
    quick, steady = row([50] * 32), row(STEADY)
    both = [standing(level, quick, steady, Gate()) for level in ("competitive", "leads")]
    one = [standing(level, steady, steady, Gate()) for level in ("competitive", "leads")]
    assert highest(both, solved=True) == "leads"
    assert highest(one, solved=True) == "competitive"
    assert highest([], solved=True) == "solves"
    assert highest(both, solved=False) == ""
