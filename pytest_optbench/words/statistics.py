"""Statistics: exact tests and order statistics of steps to target; a miss counts as infinity."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


def binomial_tail(trials: int, successes: int) -> float:
    """P(Binomial(trials, 1/2) >= successes), exact: integer arithmetic, rounded once at the end."""
    if successes <= 0:
        return 1.0
    favourable = sum(math.comb(trials, k) for k in range(successes, trials + 1))
    return float(Fraction(favourable, 2**trials))


def quantile(values: Sequence[float], q: float) -> float:
    """The `q` quantile with linear interpolation between order statistics; infinities are ordinary large values.

    Hyndman and Fan (1996), type 7, as in numpy; interpolation towards an infinity is that infinity.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = math.ceil(position)
    if low == high or ordered[low] == ordered[high]:
        return ordered[low]
    if math.isinf(ordered[high]):
        return math.inf
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def beyond(slow: float, fast: float, tolerance: float) -> bool:
    """Is `slow > (1 + tolerance) * fast`? The tolerance is the decimal number that it reads as: 23 is 1.15 times 20.

    In floating point it is not. Infinity is beyond every number, and not beyond itself; NaN is beyond nothing.
    """
    if not (math.isfinite(slow) and math.isfinite(fast)):
        return slow > fast
    return Fraction(slow) > (1 + Fraction(repr(tolerance))) * Fraction(fast)


@dataclass(frozen=True)
class Pairs:
    """What pairs of runs say: how many count, and in how many of them the second is worse, or better, by a margin."""

    count: int
    worse: int
    better: int


def count_pairs(base: Sequence[float], new: Sequence[float], *, tolerance: float) -> Pairs:
    """Compare steps to target seed by seed, `math.inf` being a miss; pairs that both miss do not count.

    A pair is worse when `new > (1 + tolerance) * base`, better when `base > (1 + tolerance) * new`. Raises ValueError
    when the lengths differ.
    """
    if len(base) != len(new):
        raise ValueError(f"paired test of {len(base)} against {len(new)} runs; the seeds must be the same")
    pairs = [(a, b) for a, b in zip(base, new, strict=True) if not (math.isinf(a) and math.isinf(b))]
    worse = sum(beyond(b, a, tolerance) for a, b in pairs)
    better = sum(beyond(a, b, tolerance) for a, b in pairs)
    return Pairs(len(pairs), worse, better)


def rank_tail(base: Sequence[float], new: Sequence[float]) -> float:
    """P(rank sum of `new` >= the one seen), if which values are `new` were drawn at random: small when they are large.

    The exact conditional distribution of the two-sample rank-sum test (Wilcoxon 1945; Mann and Whitney 1947) with mean
    ranks for ties, infinities being the greatest value and tied with each other. Counted in integers by dynamic
    programming over the ranks; 32 values against 32 take milliseconds, 64 against 64 a second. The other tail is
    `rank_tail(new, base)`. 1.0 when a side is empty.
    """
    if not base or not new:
        return 1.0
    total = Counter(base) + Counter(new)
    ranks: dict[float, int] = {}
    below = 0
    for value in sorted(total):
        ranks[value] = 2 * below + total[value] + 1  # twice the mean rank of its ties, which is whole
        below += total[value]
    # Every choice of as many values: a number of choices for each sum, as the digits of one long integer each.
    lowest = min(ranks.values())
    count = len(base) + len(new)
    width = count // 8 + 1  # bytes of a digit; no number of choices reaches 2 ** count
    choices = [1] + [0] * len(new)
    for value in [*base, *new]:
        shift = 8 * width * (ranks[value] - lowest)
        for size in range(len(new), 0, -1):
            choices[size] += choices[size - 1] << shift
    digits = choices[-1].to_bytes((choices[-1].bit_length() + 7) // 8, "little")
    seen = width * sum(ranks[value] - lowest for value in new)
    favourable = sum(int.from_bytes(digits[at : at + width], "little") for at in range(seen, len(digits), width))
    return float(Fraction(favourable, math.comb(count, len(new))))


@dataclass(frozen=True)
class Effect:
    """How many times as many steps, with an interval that holds the true factor with at least the given confidence."""

    ratio: float
    low: float
    high: float


def paired_effect(base: Sequence[float], new: Sequence[float], *, confidence: float = 0.95) -> Effect | None:
    """The median of new / base over the pairs that do not both miss; None where there are none.

    The interval is the one of the sign test, exact for whatever distribution (Thompson 1936; Hahn and Meeker 1991,
    section 5.2): from the k-th least to the k-th greatest ratio, with the greatest k whose tails together are no more
    than `1 - confidence`. A pair that misses now has the ratio infinity, one that no longer misses zero. Too few pairs
    for any k leave everything from 0 to infinity open.
    """
    pairs = [(a, b) for a, b in zip(base, new, strict=True) if not (math.isinf(a) and math.isinf(b))]
    if not pairs:
        return None
    ratios = sorted(_ratio(b, a) for a, b in pairs)
    count = len(ratios)
    k = 0
    while 2 * binomial_tail(count, count - k) <= 1 - confidence:
        k += 1
    low, high = (ratios[k - 1], ratios[-k]) if k else (0.0, math.inf)
    return Effect(median(ratios), low, high)


def unpaired_effect(base: Sequence[float], new: Sequence[float], *, confidence: float = 0.95) -> Effect | None:
    """The ratio of the medians, where one of them is finite, with the interval of the rank test; else None.

    If `new` is distributed as `base` times a factor, the interval holds that factor: from the k-th least to the k-th
    greatest of all quotients, k from the distribution of the Mann-Whitney statistic (Lehmann 1963). What two misses
    say about the factor is nothing: their quotient is 0 at the lower end, and infinity at the upper.
    """
    middle = (median(base), median(new)) if base and new else (math.inf, math.inf)
    if math.isinf(middle[0]) and math.isinf(middle[1]):
        return None
    both_missed = [math.isinf(a) and math.isinf(b) for a in base for b in new]
    known = [_ratio(b, a) for a in base for b in new if not (math.isinf(a) and math.isinf(b))]
    unknown = sum(both_missed)
    k = _least_rank(len(base), len(new), (1 - confidence) / 2)
    low = sorted([*known, *[0.0] * unknown])[k - 1] if k else 0.0
    high = sorted([*known, *[math.inf] * unknown])[-k] if k else math.inf
    return Effect(_ratio(middle[1], middle[0]), low, high)


def _ratio(new: float, base: float) -> float:
    if new == base:
        return 1.0
    if math.isinf(base):
        return 0.0
    return new / base if base else math.inf


def _least_rank(m: int, n: int, tail: float) -> int:
    """The greatest k with P(U <= k - 1) <= tail, U being the Mann-Whitney statistic of m against n without ties."""
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):  # the Gaussian binomial coefficient: times (1 - q^(n+i)), over (1 - q^i)
        for power in range(m * n, n + i - 1, -1):
            counts[power] -= counts[power - n - i]
        for power in range(i, m * n + 1):
            counts[power] += counts[power - i]
    allowed = Fraction(tail) * math.comb(m + n, m)
    k = below = 0
    while below + counts[k] <= allowed:
        below += counts[k]
        k += 1
    return k


@dataclass(frozen=True)
class SignTest:
    """The outcome of a one-sided paired sign test with a margin; true when it is significant."""

    better: int
    pairs: int
    p_value: float
    alpha: float

    def __bool__(self) -> bool:
        return self.p_value <= self.alpha

    def __repr__(self) -> str:
        sign = "<=" if self else ">"
        return (
            f"<better in {self.better} of {self.pairs} pairs of seeds: p = {self.p_value:.2g} {sign} {self.alpha:.2g}>"
        )


def sign_test(
    steps: Sequence[float], other: Sequence[float], *, tolerance: float = 0.05, alpha: float = 0.001
) -> SignTest:
    """Is `steps` smaller than `other`, pair by pair, by more than `tolerance`?

    Both are steps to target by seed, in the same order, with `math.inf` for a miss; pairs that both miss are dropped.
    A pair is better when `(1 + tolerance) * steps < other`. The p-value is P(Binomial(pairs, 1/2) >= better), exact.
    Raises ValueError when the lengths differ.
    """
    pairs = count_pairs(steps, other, tolerance=tolerance)
    better = pairs.worse  # where the other one is worse
    return SignTest(better, pairs.count, binomial_tail(pairs.count, better), alpha)
