"""The gate's numbers: those that the documentation states, and the ones it refuses."""

from __future__ import annotations

import math

import pytest

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate, parse_fail_on


@pytest.mark.parametrize(
    ("pairs", "worse"), [(16, None), (17, 17), (18, 18), (19, 19), (20, 20), (24, 23), (32, 29), (64, 50)]
)
def test_so_many_worse_pairs_fail(pairs, worse):
    assert Gate().least_worse(pairs) == worse


@pytest.mark.parametrize(
    ("gate", "least"),
    [
        (Gate(), 17),
        (Gate(tasks=24), 17),
        (Gate(tasks=128), 17),
        (Gate(tasks=1000), 20),
        (Gate(alpha=0.05), 12),
        (Gate(alpha=0.125), 10),  # 128 / 0.125 is a power of two
        (Gate(alpha=1e-6), 27),
    ],
)
def test_least_seeds_are_the_logarithm_of_tests_over_alpha(gate, least):
    assert gate.least_seeds == least == math.ceil(math.log2(gate.tests / gate.alpha))
    assert gate.least_worse(least) == least
    assert gate.least_worse(least - 1) is None


def test_a_gate_of_few_tasks_is_as_strict_as_one_of_128():
    assert Gate(tasks=3).level == Gate().level == 0.001 / 128
    assert Gate(tasks=200).level == 0.001 / 200


def test_false_alarms_add_up_over_recipes():
    assert Gate().false_alarms(1) == pytest.approx(0.001)
    assert Gate().false_alarms(150) == pytest.approx(1 - 0.999**150)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_an_alpha_that_is_no_probability_is_refused(alpha):
    with pytest.raises(OptbenchError, match=r"alpha is .*; expected a probability between 0 and 1"):
        Gate(alpha=alpha)


@pytest.mark.parametrize("tolerance", [-0.01, math.nan, math.inf])
def test_a_tolerance_that_is_no_share_is_refused(tolerance):
    with pytest.raises(OptbenchError, match=r"tolerance is .*; expected a share of steps"):
        Gate(tolerance=tolerance)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slower,fingerprint,missed,gone,incomparable", DEFAULT_FAIL_ON),
        ("changed", {"changed"}),
        (" slower , gone ", {"slower", "gone"}),
        ("none", set()),
    ],
)
def test_what_fails_is_a_list_of_words(text, words):
    assert parse_fail_on(text) == words


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("slowr", "--optbench-fail-on: unknown change 'slowr'; did you mean 'slower'?"),
        ("", "--optbench-fail-on: unknown change ''; valid are "),
        ("none,slower", "--optbench-fail-on: 'none' stands alone; found 'none,slower'"),
    ],
)
def test_other_words_are_refused(text, sentence):
    with pytest.raises(OptbenchError) as error:
        parse_fail_on(text)
    assert str(error.value).startswith(sentence)
