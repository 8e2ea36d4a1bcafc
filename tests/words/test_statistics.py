"""Exact statistics of steps to target."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_optbench.words.statistics import binomial_tail, median, quantile, sign_test

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("trials", "successes", "p"),
    [(0, 0, 1.0), (0, 1, 0.0), (1, 1, 0.5), (3, 2, 0.5), (4, 4, 1 / 16), (4, 5, 0.0), (5, -1, 1.0), (32, 32, 2.0**-32)],
)
def test_binomial_tails_by_hand(trials, successes, p):
    assert binomial_tail(trials, successes) == p


@pytest.mark.parametrize("trials", [1, 2, 17, 32, 100])
def test_binomial_tails_agree_with_scipy(trials):
    found = [binomial_tail(trials, successes) for successes in range(trials + 2)]
    expected = [stats.binom.sf(successes - 1, trials, 0.5) for successes in range(trials + 2)]
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_tail_too_small_for_a_sum_of_floats_is_exact():
    assert binomial_tail(1000, 1000) == 2.0**-1000


@pytest.mark.parametrize("q", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("values", [[5.0], [2.0, 1.0], [3.0, 1.0, 2.0], [4.0, 4.0, 1.0, 9.0, 2.5]])
def test_quantiles_agree_with_numpy(values, q):
    assert quantile(values, q) == pytest.approx(np.quantile(values, q), rel=1e-15)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([1.0, INF], 0.0, 1.0),
        ([1.0, INF], 0.5, INF),
        ([1.0, 2.0, INF], 0.5, 2.0),
        ([1.0, 2.0, INF], 0.51, INF),
        ([INF, INF], 0.5, INF),
        ([1.0, 3.0, INF, INF], 0.25, 2.5),
    ],
)
def test_a_miss_is_an_ordinary_large_value(values, q, expected):
    assert quantile(values, q) == expected


def test_no_values_have_no_quantile():
    assert math.isnan(quantile([], 0.5))


def test_a_quantile_does_not_sort_its_argument():
    values = [3.0, 1.0, 2.0]
    quantile(values, 0.5)
    assert values == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(("values", "expected"), [([3, 1, 2], 2), ([1, 2, 3, 4], 2.5), ([1, INF, INF], INF)])
def test_median(values, expected):
    assert median(values) == expected


@pytest.mark.parametrize(
    ("steps", "other", "better", "pairs"),
    [
        ([90.0], [100.0], 1, 1),
        ([95.0], [100.0], 1, 1),
        ([96.0], [100.0], 0, 1),
        ([100.0], [105.0], 0, 1),
        ([100.0], [100.0], 0, 1),
        ([100.0], [INF], 1, 1),
        ([INF], [100.0], 0, 1),
        ([INF], [INF], 0, 0),
        ([90.0, INF, 50.0], [100.0, INF, 40.0], 1, 2),
        ([], [], 0, 0),
    ],
)
def test_a_pair_is_better_by_more_than_the_tolerance(steps, other, better, pairs):
    found = sign_test(steps, other, tolerance=0.05)
    assert (found.better, found.pairs) == (better, pairs)


@pytest.mark.parametrize("faster", range(33))
def test_the_p_value_is_the_tail_of_the_pairs(faster):
    found = sign_test([50.0] * faster + [100.0] * (32 - faster), [100.0] * 32)
    assert found.p_value == binomial_tail(32, faster)


@pytest.mark.parametrize(("faster", "significant"), [(24, False), (25, True), (32, True)])
def test_a_test_is_true_when_it_is_significant(faster, significant):
    assert bool(sign_test([50.0] * faster + [100.0] * (32 - faster), [100.0] * 32, alpha=0.002)) == significant


def test_no_pairs_are_never_significant():
    assert not sign_test([INF] * 32, [INF] * 32)


def test_a_test_reads_as_a_sentence():
    assert repr(sign_test([50.0] * 4, [100.0] * 4)) == "<better in 4 of 4 pairs of seeds: p = 0.062 > 0.001>"
    assert repr(sign_test([50.0] * 32, [100.0] * 32)) == "<better in 32 of 32 pairs of seeds: p = 2.3e-10 <= 0.001>"


def test_runs_of_different_seeds_are_not_paired():
    with pytest.raises(ValueError, match="paired test of 1 against 2 runs; the seeds must be the same"):
        sign_test([1.0], [1.0, 2.0])
