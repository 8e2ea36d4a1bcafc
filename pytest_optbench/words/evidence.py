"""Evidence: what the runs of two sides say about a case, as exact tests; no word is made of it yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.statistics import (
    Effect,
    binomial_tail,
    count_pairs,
    paired_effect,
    rank_tail,
    unpaired_effect,
)

SAME_START = 1e-6
"""Initial evaluations of a seed that agree so well, relatively, are of the same problem from the same point."""
UNPAIRED_SEEDS = 64
"""Of each side, the seeds that the rank test looks at; the first ones, of any order as good as others."""


@dataclass(frozen=True)
class Side:
    """What one side of a comparison measured."""

    seeds: int
    reached: int
    diverged: int
    broken: int
    """Runs that crashed or timed out."""
    median_steps: float

    @property
    def solved(self) -> bool:
        """The absolute verdict: nothing broke, and at least half of the seeds reached the target."""
        return not self.broken and self.seeds > 0 and 2 * self.reached >= self.seeds

    @staticmethod
    def of(row: BaselineRow) -> Side:
        count = row.outcomes.count
        broken = count("crashed") + count("timeout")
        return Side(len(row.seeds), count("reached"), count("diverged"), broken, row.median_steps)


@dataclass(frozen=True)
class Evidence:
    """The statistics of a comparison. Pairs are counted only where seeds pair; without, the rank test is `weak`."""

    paired: bool
    pairs: int
    """Pairs of seeds that do not both miss."""
    worse: int
    better: int
    p_slower: float
    p_faster: float
    p_diverged: float
    """Of more seeds diverging than before."""
    level: float
    """A p-value that is no greater is significant."""
    effect: Effect | None

    @property
    def weak(self) -> bool:
        return not self.paired

    @property
    def p_value(self) -> float:
        """In the direction in which it is less."""
        return min(self.p_slower, self.p_faster)


def gather(before: BaselineRow, after: BaselineRow, gate: Gate) -> Evidence:
    """Test two rows of one case against each other: paired where seeds pair, by ranks otherwise."""
    level = gate.level if Side.of(before).solved else gate.level / 2
    common = paired_seeds(before, after)
    if not same_problems(before, after, common):
        return _unpaired(before, after, gate, level)
    base = [before.steps_to_target[i] for i, _ in common]
    new = [after.steps_to_target[j] for _, j in common]
    pairs = count_pairs(base, new, tolerance=gate.tolerance)
    diverged = [(before.outcomes[i] == "diverged", after.outcomes[j] == "diverged") for i, j in common]
    newly, no_longer = diverged.count((False, True)), diverged.count((True, False))
    return Evidence(
        paired=True,
        pairs=pairs.count,
        worse=pairs.worse,
        better=pairs.better,
        p_slower=binomial_tail(pairs.count, pairs.worse),
        p_faster=binomial_tail(pairs.count, pairs.better),
        p_diverged=binomial_tail(newly + no_longer, newly),
        level=level,
        effect=paired_effect(base, new),
    )


def paired_seeds(before: BaselineRow, after: BaselineRow) -> list[tuple[int, int]]:
    """Where the seeds that both rows have stand in the one and in the other."""
    places = {seed: index for index, seed in enumerate(after.seeds)}
    return [(index, places[seed]) for index, seed in enumerate(before.seeds) if seed in places]


def same_problems(before: BaselineRow, after: BaselineRow, common: Sequence[tuple[int, int]]) -> bool:
    """Do equal seeds mean equal problems? A run that broke before its first evaluation does not tell."""
    known = [(a, b) for i, j in common if (a := before.initial[i]) is not None and (b := after.initial[j]) is not None]
    return bool(known) and all(math.isclose(a, b, rel_tol=SAME_START) for a, b in known)


def _unpaired(before: BaselineRow, after: BaselineRow, gate: Gate, level: float) -> Evidence:
    base, new = before.steps_to_target[:UNPAIRED_SEEDS], after.steps_to_target[:UNPAIRED_SEEDS]
    margin = 1 + Fraction(repr(gate.tolerance))  # as two whole numbers, so that ties stay ties
    more, same = float(margin.numerator), float(margin.denominator)
    diverged = [[float(outcome == "diverged") for outcome in row.outcomes[:UNPAIRED_SEEDS]] for row in (before, after)]
    return Evidence(
        paired=False,
        pairs=0,
        worse=0,
        better=0,
        p_slower=rank_tail([more * steps for steps in base], [same * steps for steps in new]),
        p_faster=rank_tail([more * steps for steps in new], [same * steps for steps in base]),
        p_diverged=rank_tail(*diverged),
        level=level,
        effect=unpaired_effect(base, new),
    )
