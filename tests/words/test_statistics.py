"""Exact statistics of steps to target."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pytest_optbench.words.statistics import (
    Effect,
    Pairs,
    beyond,
    binomial_tail,
    count_pairs,
    median,
    paired_effect,
    quantile,
    rank_tail,
    sign_test,
    unpaired_effect,
)

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


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.1, 0.15, 0.3])
def test_the_tolerance_is_a_decimal_number(tolerance):
    percent = round(100 * tolerance)
    wrong = [
        (fast, slow)
        for fast in range(1, 120)
        for slow in range(fast, 2 * fast)
        if beyond(slow, fast, tolerance) != (100 * slow > (100 + percent) * fast)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [(INF, 1.0, True), (1.0, INF, False), (INF, INF, False), (NAN, 1.0, False), (1.0, NAN, False), (1.0, 0.0, True)],
)
def test_nothing_is_beyond_infinity_and_nothing_beyond_nan(slow, fast, expected):
    assert beyond(slow, fast, 0.05) == expected


def test_pairs_are_worse_better_neither_or_dropped():
    base = [100.0, 100.0, 100.0, 106.0, INF, INF, 100.0]
    new = [105.0, 106.0, INF, 100.0, 100.0, INF, 96.0]
    assert count_pairs(base, new, tolerance=0.05) == Pairs(count=6, worse=2, better=2)


def by_enumeration(base, new):
    """The tail of the rank sum over every choice of the new ones."""
    pooled = np.array([*base, *new])
    ranks = stats.rankdata(pooled)
    sums = [ranks[list(chosen)].sum() for chosen in itertools.combinations(range(len(pooled)), len(new))]
    return np.mean(np.array(sums) >= ranks[len(base) :].sum() - 1e-9)


@pytest.mark.parametrize(
    ("base", "new"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
        ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 2.0, 3.0], [2.0, 2.0, 3.0, INF]),
        ([1.0, INF, INF], [INF, INF, 2.0, 7.0]),
        ([INF, INF], [INF, INF]),
        ([5.0], [5.0, 5.0, 6.0, 1.0]),
        ([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0, 0.0]),
    ],
)
def test_rank_tails_with_ties_agree_with_enumeration(base, new):
    assert rank_tail(base, new) == pytest.approx(by_enumeration(base, new), rel=1e-12)
    assert rank_tail(new, base) == pytest.approx(by_enumeration(new, base), rel=1e-12)


@pytest.mark.parametrize("shift", [0, 3, 20, 1000])
def test_rank_tails_of_full_cases_agree_with_scipy(shift):
    base, new = (1.01 * np.random.default_rng(0).permutation(64).reshape(2, 32) + [[0.0], [shift]]).tolist()
    expected = stats.mannwhitneyu(new, base, alternative="greater", method="exact").pvalue
    assert rank_tail(base, new) == pytest.approx(expected, rel=1e-10)


def test_zeros_and_ones_give_fishers_exact_test():
    table = [[9, 23], [20, 12]]
    base, new = ([1.0] * ones + [0.0] * zeros for ones, zeros in table)
    assert rank_tail(base, new) == pytest.approx(stats.fisher_exact(table, alternative="less").pvalue, rel=1e-12)


@pytest.mark.parametrize(("base", "new"), [([], [1.0]), ([1.0], []), ([], [])])
def test_a_side_without_runs_shows_nothing(base, new):
    assert rank_tail(base, new) == 1.0
    assert unpaired_effect(base, new) is None


def test_the_effect_of_pairs_is_the_median_ratio_between_order_statistics():
    ratios = [1 + k / 100 for k in range(32)]
    found = paired_effect([100.0] * 32, [100 * ratio for ratio in ratios])
    # P(Binomial(32, 1/2) <= 9) = 0.01, and <= 10 would be 0.0251: the tenth from either end.
    assert found == Effect(pytest.approx(1.155), pytest.approx(ratios[9]), pytest.approx(ratios[22]))


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ([], [], None),
        ([INF, INF], [INF, INF], None),
        ([10.0] * 5, [12.0] * 5, Effect(1.2, 0.0, INF)),
        ([10.0] * 6, [12.0] * 6, Effect(1.2, 1.2, 1.2)),
        ([10.0] * 32, [INF] * 32, Effect(INF, INF, INF)),
        ([INF] * 32, [10.0] * 32, Effect(0.0, 0.0, 0.0)),
        ([10.0] * 32, [10.0] * 23 + [INF] * 9, Effect(1.0, 1.0, 1.0)),
        ([10.0] * 32, [10.0] * 22 + [INF] * 10, Effect(1.0, 1.0, INF)),
        ([10.0] * 32 + [INF] * 9, [12.0] * 32 + [INF] * 9, Effect(1.2, 1.2, 1.2)),
        ([0.0] * 6, [0.0] * 6, Effect(1.0, 1.0, 1.0)),
        ([0.0] * 6, [1.0] * 6, Effect(INF, INF, INF)),
    ],
)
def test_effects_of_pairs_by_hand(base, new, expected):
    assert paired_effect(base, new) == expected


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ([10.0] * 3, [12.0] * 3, Effect(1.2, 0.0, INF)),
        ([10.0] * 32, [12.0] * 32, Effect(1.2, 1.2, 1.2)),
        ([10.0] * 32, [INF] * 32, Effect(INF, INF, INF)),
        ([INF] * 32, [10.0] * 32, Effect(0.0, 0.0, 0.0)),
        ([INF] * 32, [INF] * 32, None),
        ([10.0] * 17 + [INF] * 15, [12.0] * 17 + [INF] * 15, Effect(1.2, 0.0, INF)),
    ],
)
def test_effects_without_pairs_by_hand(base, new, expected):
    assert unpaired_effect(base, new) == expected


@pytest.mark.parametrize("effect", [paired_effect, unpaired_effect])
def test_intervals_hold_the_true_factor_as_often_as_they_say(effect):
    random = np.random.default_rng(1)
    draws = np.exp(0.3 * random.standard_normal((400, 2, 17)))
    found = [effect(list(base), list(1.2 * new)) for base, new in draws]
    held = sum(one.low <= 1.2 <= one.high for one in found)
    assert held >= stats.binom.ppf(0.001, 400, 0.95)
    assert np.median([one.high / one.low for one in found]) < 1.9  # not by being wide
