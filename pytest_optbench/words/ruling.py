"""A ruling: whether a case passes, fails or is an expected failure, and the sentences that say why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_optbench.words.comparison import Comparison, failure
from pytest_optbench.words.errors import inert
from pytest_optbench.words.evidence import Side
from pytest_optbench.words.run import Run
from pytest_optbench.words.standing import Standing
from pytest_optbench.words.verdict import Verdict, explain

MISSES = ("missed", "diverged")
"""Words of a verdict that a declared expected failure covers; an exception or a timeout still fails."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What becomes of a case. `word` is that of the column `verdict`: passed, failed, xfailed or reported."""

    word: str
    sentence: str = ""
    """Why it does not pass; empty where it does."""
    excuse: str = ""
    """Why that is expected; empty where it is not."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a ruling depends on besides the runs."""

    fail_on: frozenset[str]
    full: bool = True
    """Is all run that the recipe declares?"""
    gates: bool = True
    """Does the task decide anything?"""
    expected: str = ""
    """Why the recipe is declared to fail on the task; empty where it is not."""
    saving: bool = False
    """Does the case become part of the baseline, whatever it says?"""
    label: str = ""
    """What the baseline is called."""
    accept: str = ""
    """The command that accepts the change; empty where there is none."""
    standing: Standing | None = None
    """What the seeds say about the level that is asked for; None for solving, and where there is no reference."""


def rule(runs: Sequence[Run], verdict: Verdict, comparison: Comparison | None, circumstances: Circumstances) -> Ruling:
    """Rule on the runs of one case; without a baseline, `comparison` is None.

    A baseline decides by the comparison; without one, or for a case that it does not have, the absolute verdict does,
    and the level that is asked for. A crash or a timeout always fails. What is saved fails for nothing else, as saving
    accepts it.
    """
    if verdict.word in ("crashed", "timeout"):
        return Ruling(word="failed", sentence=explain(verdict, runs))
    if not circumstances.gates:
        return Ruling(word="passed" if verdict.passed else "reported")
    why = "" if circumstances.saving else _failure(runs, verdict, comparison, circumstances)
    good = verdict.passed and _level_is_shown(comparison, circumstances)
    excuse = "" if good else _excuse(comparison, circumstances, fails=bool(why))
    if excuse:
        return Ruling(word="xfailed", sentence=why or explain(verdict, runs), excuse=excuse)
    if why:
        return Ruling(word="failed", sentence=why)
    if good and verdict.mended and circumstances.expected:
        first = runs[0]
        return Ruling(
            word="failed",
            sentence=f"{first.recipe} on {first.task}: declared as an expected failure ({circumstances.expected}), but "
            f"{verdict.reached} of {verdict.seeds} seeds reach the target; remove it from expected_failures",
        )
    return Ruling(word="passed" if verdict.passed else "reported")


def _failure(runs: Sequence[Run], verdict: Verdict, comparison: Comparison | None, circumstances: Circumstances) -> str:
    if comparison is None or comparison.change == "new":
        if "missed" not in circumstances.fail_on:
            return ""
        if verdict.passed and circumstances.standing is not None and not circumstances.standing.shown:
            first = runs[0]
            return f"{first.recipe} on {first.task}@{first.task_version}: {circumstances.standing.sentence}"
        return "" if verdict.passed else explain(verdict, runs)
    told = failure(comparison, circumstances.fail_on, full=circumstances.full)
    return explain_change(comparison, told, runs, circumstances) if told else ""


def _level_is_shown(comparison: Comparison | None, circumstances: Circumstances) -> bool:
    if circumstances.standing is None or circumstances.saving:
        return True
    return circumstances.standing.shown or not (comparison is None or comparison.change == "new")


def _excuse(comparison: Comparison | None, circumstances: Circumstances, *, fails: bool) -> str:
    if circumstances.expected:
        return circumstances.expected
    if circumstances.saving:
        return "a known miss from now on"
    if not fails and comparison is not None and comparison.known_miss and comparison.before is not None:
        return known_miss(comparison.before, circumstances.label)
    return ""


def known_miss(before: Side, label: str) -> str:
    """Why a miss is expected, from what the baseline says."""
    return f"known miss: {before.reached} of {before.seeds} seeds reach the target in {label}"


def explain_change(comparison: Comparison, told: str, runs: Sequence[Run], circumstances: Circumstances) -> str:
    """Why the comparison fails: what changed, by how much, where it begins, and how to accept it. Plain text."""
    first = runs[0]
    lines = [f"{first.recipe} on {first.task}@{first.task_version}, compared with {circumstances.label}: {told}"]
    if comparison.before is not None and comparison.after is not None:
        lines.append(f"  steps to target: {_side(comparison.before)} before, {_side(comparison.after)} now")
    if comparison.difference is not None and str(comparison.difference) not in told:
        lines.append(f"  first difference: {comparison.difference}")
    lines += [f"  {name} was {before} and is {after}" for name, before, after in comparison.environment]
    lines.append(f"  hyperparameters: {first.hyperparameters} ({first.regime}), optimizer {first.optimizer}")
    if circumstances.accept:
        lines.append(f"  to accept it: {circumstances.accept}")
    return "\n".join(map(inert, lines))


def _side(side: Side) -> str:
    median = f"median {side.median_steps:.0f}" if math.isfinite(side.median_steps) else "no median"
    return f"{median} ({side.reached} of {side.seeds} seeds)"
