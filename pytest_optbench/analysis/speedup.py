"""Speed-up over a reference, seed by seed, as an interquartile mean with a stratified bootstrap interval
(Agarwal et al. 2021, arXiv 2108.13264, section 4).

The score of a pair is log2 of the reference's steps by its own, from -3 to 3. A miss against a seed that the reference
solves is -3, as if it took eight times the steps, and the other way round 3; a pair that both miss says nothing and is
left out, as in the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_optbench.analysis.collection import Collection, Entry

CLIP = 3.0
"""The greatest score: eight times as fast."""
RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 20211026
"""Of the resampling: the same table always gives the same interval."""
REFERENCE = "AdamW"
"""The reference that par is defined by."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpeedUp:
    """How many times as fast, with an interval over seeds."""

    tier: str
    tasks: int
    """Tasks with a pair that counts."""
    pairs: int
    both_missed: int
    ratio: float
    low: float
    high: float


def scores(own: Floats, reference: Floats) -> Floats:
    """By pair of seeds, log2 of `reference / own` within the clip; pairs that both miss are left out.

    >>> scores(np.array([10.0, 40.0, math.inf, math.inf]), np.array([20.0, math.inf, 5.0, math.inf]))
    array([ 1.,  3., -3.])
    """
    counts = np.isfinite(own) | np.isfinite(reference)
    first, second = np.maximum(own[counts], 1.0), np.maximum(reference[counts], 1.0)  # 0 where it starts there
    with np.errstate(divide="ignore"):  # of a miss, whose score is at the end of the clip
        found: Floats = np.clip(np.log2(second / first), -CLIP, CLIP)
    return found


def interquartile_mean(values: Floats) -> Floats:
    """Along the last axis, the mean of what is left without the lowest and the highest quarter, as whole values.

    As `scipy.stats.trim_mean(values, 0.25)`, which rliable uses.

    >>> float(interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0])))
    1.5
    """
    count = values.shape[-1]
    cut = count // 4
    middle: Floats = np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return middle


def interval(strata: Sequence[Floats], *, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Percentile bootstrap interval of the interquartile mean, each stratum resampled by itself."""
    generator = np.random.default_rng(SEED)
    drawn = [some[generator.integers(len(some), size=(resamples, len(some)))] for some in strata]
    means = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def speed_ups(collection: Collection, entry: Entry) -> list[SpeedUp]:
    """Of an entry, by tier; tasks without the reference, and seeds that it was not run with, do not count."""
    by_tier: dict[str, list[tuple[Floats, int]]] = {}
    for key, case in collection.cases[entry].items():
        reference = collection.references.get(key, {}).get(REFERENCE)
        if reference is None:
            continue
        _, own, other = np.intersect1d(case.seeds, reference.seeds, return_indices=True)
        found = scores(case.steps[own], reference.steps[other])
        by_tier.setdefault(case.tier, []).append((found, len(own) - len(found)))
    return [_speed_up(tier, found) for tier, found in by_tier.items() if any(len(some) for some, _ in found)]


def _speed_up(tier: str, found: Sequence[tuple[Floats, int]]) -> SpeedUp:
    strata = [some for some, _ in found if len(some)]
    low, high = interval(strata)
    return SpeedUp(
        tier=tier,
        tasks=len(strata),
        pairs=sum(map(len, strata)),
        both_missed=sum(missed for _, missed in found),
        ratio=2 ** float(interquartile_mean(np.concatenate(strata))),
        low=2**low,
        high=2**high,
    )
