"""A verdict: what the runs of one case say, as a pure function of the runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_optbench.words.health import deviations_told
from pytest_optbench.words.run import OUTCOMES, Run
from pytest_optbench.words.statistics import quantile

ALMOST_ALL = 31 / 32
"""The share of seeds from which an expected failure counts as mended, and a reference as reliable."""


@dataclass(frozen=True)
class Verdict:
    """The absolute verdict of a case: passed when at least half of its seeds reach the target within the budget.

    `outcomes` counts the runs by outcome word; `quartiles` are those of steps to target over all seeds, a miss being
    infinite. A crash or a timeout of any seed fails the case, whatever the other seeds do.
    """

    passed: bool
    seeds: int
    outcomes: dict[str, int]
    quartiles: tuple[float, float, float]
    worst: tuple[Run, ...]
    """The runs that failed worst first, then the slowest ones."""

    @property
    def reached(self) -> int:
        return self.outcomes["reached"]

    @property
    def median_steps(self) -> float:
        return self.quartiles[1]

    @property
    def mended(self) -> bool:
        """Do so many seeds reach the target that an expected failure is out of date?"""
        return self.passed and self.reached >= math.ceil(ALMOST_ALL * self.seeds)

    @property
    def word(self) -> str:
        """The commonest outcome word that explains the verdict."""
        for outcome in ("crashed", "timeout"):
            if self.outcomes[outcome]:
                return outcome
        if self.passed:
            return "reached"
        return "diverged" if self.outcomes["diverged"] > self.outcomes["missed"] else "missed"


def judge(runs: Sequence[Run]) -> Verdict:
    """The absolute verdict over the runs of one case, one per seed. Raises ValueError for no runs at all."""
    if not runs:
        raise ValueError("a case without runs has no verdict")
    counts = Counter(run.outcome for run in runs)
    outcomes = {outcome: counts[outcome] for outcome in OUTCOMES}
    steps = [run.steps for run in runs]
    broken = outcomes["crashed"] + outcomes["timeout"]
    severity = {"crashed": 0, "timeout": 1, "diverged": 2, "missed": 3, "reached": 4}
    worst = sorted(runs, key=lambda run: (severity[run.outcome], -_badness(run), run.seed))
    return Verdict(
        passed=not broken and 2 * outcomes["reached"] >= len(runs),
        seeds=len(runs),
        outcomes=outcomes,
        quartiles=(quantile(steps, 0.25), quantile(steps, 0.5), quantile(steps, 0.75)),
        worst=tuple(worst),
    )


def _badness(run: Run) -> float:
    if run.outcome == "reached":
        return run.steps
    return math.inf if run.best is None or math.isnan(run.best) else run.best


def explain(verdict: Verdict, runs: Sequence[Run]) -> str:
    """Why the case failed: one sentence with the numbers, then the worst seeds. Plain text, for terminal and JUnit."""
    first = runs[0]
    share = (
        f"{verdict.reached} of {verdict.seeds} seeds reached the target {_number(first.target)} "
        f"within {first.budget} steps"
    )
    others = ", ".join(
        f"{count} {outcome}" for outcome, count in verdict.outcomes.items() if count and outcome != "reached"
    )
    lines = [
        f"{first.recipe} on {first.task}@{first.task_version}: {share} (at least half must"
        f"{', none may crash or time out' if verdict.outcomes['crashed'] or verdict.outcomes['timeout'] else ''})"
        f"{'; ' + others if others else ''}.",
        f"  steps to target: {_steps_line(runs)}",
        f"  hyperparameters: {first.hyperparameters} ({first.regime}), optimizer {first.optimizer}",
        *(f"  {sentence}" for sentence in deviations_told([run.unhealthy for run in runs])),
        "  worst seeds:",
    ]
    for run in verdict.worst[:3]:
        lines.append(
            f"    seed {run.seed}: {run.outcome}, from {_number(run.initial)} to {_number(run.final)}"
            f" (best {_number(run.best)}, target {_number(run.target)})"
        )
    return "\n".join(lines)


def _steps_line(runs: Sequence[Run]) -> str:
    return " ".join("-" if run.steps_to_target is None else str(run.steps_to_target) for run in runs)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
