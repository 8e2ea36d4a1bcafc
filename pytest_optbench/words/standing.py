"""A standing: how fast a case is beside the reference table, by an exact test; what a level of the gate asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.declaration import LEVELS
from pytest_optbench.words.errors import require_known
from pytest_optbench.words.evidence import paired_seeds, same_problems
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.statistics import beyond, binomial_tail

MARGIN = 0.5
"""A competitive case takes at most this much more than tuned AdamW, as a share of its steps."""

SEVERAL_GRADIENTS = frozenset({"LBFGS"})
"""References that evaluate several gradients a step: nobody else's steps are measured by theirs."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the seeds of a case say about one level, beside one row of the reference table.

    `within` of the `pairs` of seeds, those that do not both miss, hold the level: at most 1.5 times the steps of tuned
    AdamW for `competitive`, fewer steps than the best reference for `leads`. The level is `shown` when so many would be
    too unlikely if half of all seeds held it: P(Binomial(pairs, 1/2) >= within) <= `bound`.
    """

    level: str
    reference: str
    """The row's recipe, with its tuned hyperparameters."""
    median_steps: float
    """Of the reference."""
    paired: bool
    """Do its seeds start where the reference's do?"""
    pairs: int
    within: int
    least: int | None
    """Pairs that would show it; None where not even all of them would."""
    p_value: float
    bound: float

    @property
    def shown(self) -> bool:
        return self.p_value <= self.bound

    @property
    def sentence(self) -> str:
        """What was found, with the numbers."""
        word = f"{'' if self.shown else 'not '}shown to be {self.level}"
        if not self.paired:
            return f"{word}: its seeds do not start where those of {self.reference} do, in the reference table"
        asked = "at most 1.5 times the steps of" if self.level == "competitive" else "fewer steps than"
        needed = f"{self.least} must" if self.least is not None else "too few to show it"
        return (
            f"{word}: {self.within} of {self.pairs} pairs of seeds take {asked} {self.reference} "
            f"(median {self.median_steps:g}); {needed}, p = {self.p_value:.2g}"
        )


def standing(level: str, case: BaselineRow, reference: BaselineRow, gate: Gate) -> Standing:
    """What a case says about a level; nothing is shown where its seeds do not start where the reference's do.

    Raises OptbenchError for a level that is no standing.
    """
    require_known(level, LEVELS[1:], where="standing", what="level beside the references")
    common = paired_seeds(reference, case)
    paired = same_problems(reference, case, common) and reference.target == case.target
    steps = [(reference.steps_to_target[i], case.steps_to_target[j]) for i, j in common if paired]
    pairs = [(theirs, ours) for theirs, ours in steps if not (math.isinf(theirs) and math.isinf(ours))]
    within = sum(
        not beyond(ours, theirs, MARGIN) if level == "competitive" else ours < theirs for theirs, ours in pairs
    )
    return Standing(
        level=level,
        reference=f"{reference.recipe} {reference.hyperparameters}",
        median_steps=reference.median_steps,
        paired=paired,
        pairs=len(pairs),
        within=within,
        least=gate.least_worse(len(pairs)),
        p_value=binomial_tail(len(pairs), within),
        bound=gate.level,
    )


def fastest(rows: Iterable[BaselineRow]) -> BaselineRow | None:
    """The row with the least median of steps; None where no row has one."""
    known = [row for row in rows if math.isfinite(row.median_steps)]
    return min(known, key=lambda row: row.median_steps, default=None)


def highest(standings: Sequence[Standing], *, solved: bool) -> str:
    """The hardest level that a case holds; empty for none. A case that leads need not be competitive to lead."""
    shown = {one.level for one in standings if one.shown}
    return next((level for level in reversed(LEVELS[1:]) if level in shown and solved), "solves" if solved else "")
