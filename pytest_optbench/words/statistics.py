"""Statistics: exact tests and order statistics of steps to target; a miss counts as infinity."""

from __future__ import annotations

import math
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
    if len(steps) != len(other):
        raise ValueError(f"paired test of {len(steps)} against {len(other)} runs; the seeds must be the same")
    pairs = [(a, b) for a, b in zip(steps, other, strict=True) if not (math.isinf(a) and math.isinf(b))]
    better = sum((1 + tolerance) * a < b for a, b in pairs)
    return SignTest(better, len(pairs), binomial_tail(len(pairs), better), alpha)
