"""Rank correlation: do optimizers stand in the same order on small tasks as on larger ones?

Kendall's tau-b (Kendall 1945, Biometrika 33) between the scores of two tiers, over the entries that are ranked in both,
with the interval of 95 % of 2000 bootstrap replicates over entries. With tau, of two entries that are tied nowhere, the
same one is ahead in both tiers with the chance (1 + tau) / 2.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.board import SEED, Board, Place

REPLICATES = 2000
LEAST = 5
"""Entries below which nothing is said."""
LEAST_BEST = 10
"""Entries of the better half below which nothing is said of it."""
LEAST_LEADING = 3


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Two tiers, of one suite and one regime. Arrays have an entry for each recipe, in the order of `recipes`."""

    suite: str
    regime: str
    first: str
    """The tier with the smaller tasks."""
    second: str
    recipes: tuple[str, ...]
    scores: tuple[tuple[float, ...], tuple[float, ...]]
    tau: float
    low: float
    high: float
    tau_of_best: float
    """Among the better half of the first tier; NaN for too few."""
    best: int
    """How many those are."""
    kept: int
    """How many of the tenth that leads the first tier lead the second."""
    leading: int

    @property
    def ranks(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """From 1 for the greatest score; those that are equal share the middle of their ranks."""
        return middle_ranks(self.scores[0]), middle_ranks(self.scores[1])


def correlations(boards: Sequence[Board]) -> list[Correlation]:
    """Those of all pairs of tiers with at least five entries in common, from the smaller tasks to the larger."""
    found = []
    for one, other in itertools.combinations(boards, 2):
        if (one.suite, one.regime) == (other.suite, other.regime):
            pair = _correlation(one, other)
            found += [pair] if pair else []
    return found


def _correlation(one: Board, other: Board) -> Correlation | None:
    placed = [_by_recipe(board) for board in (one, other)]
    common = [key for key in placed[0] if key in placed[1]]
    if len(common) < LEAST:
        return None
    scores = [np.array([places[key].score for key in common]) for places in placed]
    weights = np.random.default_rng(SEED).multinomial(
        len(common), np.full(len(common), 1 / len(common)), size=REPLICATES
    )
    drawn = [value for value in kendall(scores[0], scores[1], weights) if not math.isnan(value)]
    (tau,) = kendall(scores[0], scores[1])
    ranks = [np.array(middle_ranks(own.tolist())) for own in scores]
    best = ranks[0] <= math.ceil(len(common) / 2)
    leading = max(1, round(len(common) / 10))
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (math.nan, math.nan)
    return Correlation(
        suite=one.suite,
        regime=one.regime,
        first=one.tier,
        second=other.tier,
        recipes=tuple(key[0] for key in common),
        scores=(tuple(scores[0].tolist()), tuple(scores[1].tolist())),
        tau=float(tau),
        low=float(low),
        high=float(high),
        tau_of_best=float(kendall(scores[0][best], scores[1][best])[0]) if best.sum() >= LEAST_BEST else math.nan,
        best=int(best.sum()),
        kept=int(((ranks[0] <= leading) & (ranks[1] <= leading)).sum()),
        leading=leading,
    )


def _by_recipe(board: Board) -> dict[tuple[str, str, str], Place]:
    """The places over all tasks of a tier; a recipe that is there twice is of no use here."""
    places = board.rankings[0].places
    keys = [(place.entry.recipe, place.entry.optimizer, place.entry.version) for place in places]
    counts = Counter(keys)
    return {key: place for key, place in zip(keys, places, strict=True) if counts[key] == 1}


def kendall(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Kendall's tau-b of `x` and `y` (n,), for every row of `weights` (replicates, n), which say how often each counts.

    NaN where all values of one are tied.

    >>> kendall(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])).round(3).tolist()
    [0.333]
    """
    weights = np.ones((1, len(x)), dtype=np.int64) if weights is None else weights
    # Rounded, so that the order of a sum does not tell two equal scores apart.
    signs = [np.sign((own[:, None] - own[None, :]).round(9)) for own in (x, y)]
    agree, *untied = (
        np.einsum("bi,ij,bj->b", weights, matrix, weights, optimize=True)
        for matrix in (signs[0] * signs[1], *(np.abs(sign) for sign in signs))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = agree / np.sqrt(untied[0] * untied[1])
    return found


def middle_ranks(scores: Sequence[float]) -> tuple[float, ...]:
    """Ranks from 1 for the greatest.

    >>> middle_ranks([0.1, 0.3, 0.3])
    (3.0, 1.5, 1.5)
    """
    own = np.array(scores).round(9)
    greater = (own[None, :] > own[:, None]).sum(axis=1)
    equal = (own[None, :] == own[:, None]).sum(axis=1)
    return tuple((greater + (equal + 1) / 2).tolist())


def paragraph(found: Sequence[Correlation]) -> str:
    """What the numbers say, in sentences; empty where there are none."""
    return " ".join(_sentences(one) for one in found)


def _sentences(one: Correlation) -> str:
    count = len(one.recipes)
    parts = [
        f"Between the {one.first} and the {one.second} tier ({one.regime} hyperparameters), Kendall's tau-b of the "
        f"scores of {count} optimizers is {one.tau:.2f} (95 % interval {one.low:.2f} to {one.high:.2f}): of two of "
        f"them, the one that is ahead in the one tier is ahead in the other with a chance of {(1 + one.tau) / 2:.0%}."
    ]
    if math.isnan(one.low) or one.low <= 0:
        parts.append(
            "The interval holds zero: these results do not show that the one order tells anything of the other."
        )
    elif one.high < 0.7:
        parts.append("That is an order that agrees in the large and not in the single case.")
    if not math.isnan(one.tau_of_best):
        telling = "much less" if one.tau_of_best < one.tau - 0.15 else "about as much"
        parts.append(
            f"Among the better half of the {one.first} tier ({one.best}) it is {one.tau_of_best:.2f}, {telling}: "
            + (
                "small tasks tell what fails better than they tell what leads, and scores that are close to each other "
                "are in no firm order anywhere."
                if telling == "much less"
                else "what leads is told as well as what fails."
            )
        )
    if one.leading >= LEAST_LEADING:
        parts.append(
            f"Of the {one.leading} that lead the {one.first} tier, {one.kept} "
            f"{'is' if one.kept == 1 else 'are'} among the {one.leading} that lead the {one.second} tier."
        )
    return " ".join(parts)
