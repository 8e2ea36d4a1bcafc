"""Verdicts: what the runs of a case say, and how it is told."""

from __future__ import annotations

import math

import pytest

from pytest_optbench.words.run import Run
from pytest_optbench.words.verdict import explain, judge

KINDS = {"r": "reached", "m": "missed", "d": "diverged", "c": "crashed", "t": "timeout"}


def runs(outcomes):
    """One run per letter, the first of each outcome word; reached ones need 10, 20, ... steps."""
    return [
        Run(
            task="bowl",
            recipe="Acme",
            optimizer="acme:Acme",
            seed=seed,
            outcome=KINDS[letter],
            budget=100,
            steps_to_target=10 * (seed + 1) if letter == "r" else None,
            initial=5.0,
            best=1.0 + seed,
            final=2.0 + seed,
            target=0.5,
        )
        for seed, letter in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("outcomes", "passed", "word"),
    [
        ("rrrr", True, "reached"),
        # Exactly half is enough.
        ("rrmm", True, "reached"),
        ("rmmm", False, "missed"),
        ("rrrmmm", True, "reached"),
        ("rrmmm", False, "missed"),
        ("rrrmm", True, "reached"),
        ("mmmm", False, "missed"),
        ("r", True, "reached"),
        ("m", False, "missed"),
        # Divergence is a miss like any other, and names the verdict when it is the commoner one.
        ("rrrd", True, "reached"),
        ("rddm", False, "diverged"),
        ("rdmm", False, "missed"),
        ("ddmm", False, "missed"),
        # One crash or timeout fails the case, whatever the others do.
        ("rrrrrrrc", False, "crashed"),
        ("rrrrrrrt", False, "timeout"),
        ("rrct", False, "crashed"),
        ("ddddct", False, "crashed"),
    ],
)
def test_verdict(outcomes, passed, word):
    verdict = judge(runs(outcomes))
    assert (verdict.passed, verdict.word) == (passed, word)


def test_outcomes_are_counted_in_words():
    assert judge(runs("rrmdct")).outcomes == {"reached": 2, "missed": 1, "diverged": 1, "crashed": 1, "timeout": 1}
    assert judge(runs("rrm")).outcomes == {"reached": 2, "missed": 1, "diverged": 0, "crashed": 0, "timeout": 0}


@pytest.mark.parametrize(
    ("outcomes", "quartiles"),
    [
        ("rrrrr", (20.0, 30.0, 40.0)),
        ("rrrrm", (20.0, 30.0, 40.0)),
        ("rrrmm", (20.0, 30.0, math.inf)),
        ("rrm", (15.0, 20.0, math.inf)),
        ("mmm", (math.inf,) * 3),
    ],
)
def test_quartiles_count_a_miss_as_infinity(outcomes, quartiles):
    assert judge(runs(outcomes)).quartiles == quartiles


def test_the_median_is_the_middle_quartile():
    assert judge(runs("rrrrr")).median_steps == 30.0


@pytest.mark.parametrize(
    ("outcomes", "mended"),
    [
        ("r" * 32, True),
        ("r" * 31 + "m", True),
        ("r" * 30 + "mm", False),
        ("r" * 31 + "c", False),
        ("r" * 8, True),
        ("r" * 7 + "m", False),
    ],
)
def test_an_expected_failure_is_mended_when_almost_all_seeds_reach(outcomes, mended):
    assert judge(runs(outcomes)).mended == mended


def test_the_worst_runs_come_first():
    assert [run.seed for run in judge(runs("rmdctr")).worst] == [3, 4, 2, 1, 5, 0]


def test_among_misses_the_farthest_comes_first():
    assert [run.seed for run in judge(runs("mmm")).worst] == [2, 1, 0]


@pytest.mark.parametrize("best", [None, math.nan])
def test_a_miss_without_any_value_is_the_worst(best):
    lost = Run(seed=7, outcome="missed", best=best)
    assert judge([*runs("mmm"), lost]).worst[0].seed == 7


def test_no_runs_have_no_verdict():
    with pytest.raises(ValueError, match="a case without runs has no verdict"):
        judge([])


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        (
            "rmmm",
            "Acme on bowl@1: 1 of 4 seeds reached the target 0.5 within 100 steps (at least half must); 3 missed.",
        ),
        (
            "rrdc",
            "Acme on bowl@1: 2 of 4 seeds reached the target 0.5 within 100 steps "
            "(at least half must, none may crash or time out); 1 diverged, 1 crashed.",
        ),
    ],
)
def test_an_explanation_opens_with_the_numbers(outcomes, sentence):
    given = runs(outcomes)
    assert explain(judge(given), given).splitlines()[0] == sentence


def test_an_explanation_shows_all_steps_and_the_three_worst_seeds():
    given = runs("rmmmm")
    assert explain(judge(given), given).splitlines()[1:] == [
        "  steps to target: 10 - - - -",
        "  hyperparameters: {} (default), optimizer acme:Acme",
        "  worst seeds:",
        "    seed 4: missed, from 5 to 6 (best 5, target 0.5)",
        "    seed 3: missed, from 5 to 5 (best 4, target 0.5)",
        "    seed 2: missed, from 5 to 4 (best 3, target 0.5)",
    ]


def test_an_explanation_of_a_run_without_values():
    given = [Run(recipe="Acme", task="bowl", outcome="crashed")]
    assert "from none to none (best none, target none)" in explain(judge(given), given)
