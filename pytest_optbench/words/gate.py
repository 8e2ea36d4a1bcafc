"""A gate: how much evidence fails a case, and which changes fail at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_optbench.words.errors import OptbenchError, require_known
from pytest_optbench.words.statistics import binomial_tail

LEAST_TESTS = 128
"""Tests that a recipe's alpha is shared by at least, so that no selection of cases makes the gate more lenient."""
FAIL_ON = ("slower", "fingerprint", "missed", "gone", "incomparable", "changed", "none")
DEFAULT_FAIL_ON = frozenset({"slower", "fingerprint", "missed", "gone", "incomparable"})


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The statistics of one recipe's gate. Raises OptbenchError for numbers that make no sense."""

    alpha: float = 0.001
    """The chance that any case of an unchanged recipe is called slower; the same again for faster."""
    tolerance: float = 0.05
    """A pair of seeds counts from this relative difference of steps on."""
    tasks: int = 0
    """Gating tasks that the recipe's table declares, whatever is selected."""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise OptbenchError(f"alpha is {self.alpha!r}; expected a probability between 0 and 1, such as 0.001")
        if not 0 <= self.tolerance < math.inf:
            raise OptbenchError(f"tolerance is {self.tolerance!r}; expected a share of steps, such as 0.05 for 5 %")

    @property
    def tests(self) -> int:
        return max(LEAST_TESTS, self.tasks)

    @property
    def level(self) -> float:
        """A p-value of a case that is no greater is significant (Bonferroni over the tests)."""
        return self.alpha / self.tests

    @property
    def least_seeds(self) -> int:
        """Pairs that decide if all of them agree."""
        seeds = 0
        while 2.0**-seeds > self.level:
            seeds += 1
        return seeds

    def least_worse(self, pairs: int) -> int | None:
        """Worse pairs out of `pairs` that fail a case; None where not even all of them would."""
        return next((worse for worse in range(pairs + 1) if binomial_tail(pairs, worse) <= self.level), None)

    def false_alarms(self, recipes: int) -> float:
        """A bound of the chance that any case of any of so many independent, unchanged recipes is called slower."""
        return -math.expm1(recipes * math.log1p(-self.alpha))


def parse_fail_on(text: str, *, where: str = "--optbench-fail-on") -> frozenset[str]:
    """The changes that fail, from words with commas between them; "none" is the empty set, and stands alone.

    Raises OptbenchError for other words.
    """
    words = [word.strip() for word in text.split(",")]
    for word in words:
        require_known(word, FAIL_ON, where=where, what="change")
    if "none" in words and len(set(words)) > 1:
        raise OptbenchError(f"{where}: 'none' stands alone; found {text!r}")
    return frozenset(words) - {"none"}
