"""Execution: runs a case inside a test, keeps its rows, and says what pytest should make of it."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from pytest_optbench.integration.progress import progress_of
from pytest_optbench.integration.tracebacks import pruned
from pytest_optbench.integration.tuned import recall, remember
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.tuning import TunedRun
from pytest_optbench.words.run import Run
from pytest_optbench.words.verdict import Verdict, explain, judge

ROWS = pytest.StashKey[list[Run]]()
"""The rows that an item has measured so far."""
STEPPED = pytest.StashKey[list[bool]]()
"""For each step function that a test has asked for: is it of the case's own optimizer, on its task's parameters?"""
CASE = pytest.StashKey[Case]()
"""The case that an item stands for: its properties in JUnit, and its rows if the process dies."""

MISSES = ("missed", "diverged")
"""Words of a verdict that a declared expected failure covers; an exception or a timeout still fails."""


class CaseFailed(Exception):
    """The verdict of a case that failed; its text is the whole explanation."""


class ExpectedFailurePassed(Exception):
    """A case that is declared as an expected failure reaches the target on nearly all seeds."""


DODGES = (unittest.SkipTest, pytest.skip.Exception, pytest.xfail.Exception)
"""What would have pytest pass over a test; an optimizer that raises it has crashed all the same."""


def _dodged(case: Case, error: BaseException) -> CaseFailed:
    return CaseFailed(f"{case.recipe.name} on {case.task.name}: step() raised {type(error).__name__}: {error}")


def expected_failure(case: Case) -> str:
    """Why the recipe is expected to fail on the task; empty when it is not."""
    return case.recipe.expected_failures.get(case.task.name, "")


def execute(case: Case, item: pytest.Item) -> tuple[list[Run], Verdict]:
    """Run a case and store its rows on the item. Raises what the optimizer raised, when it did; never for a verdict.

    When something else ends the run (a plugin's timeout, an exit), what was measured is stored before that goes on.
    """
    __tracebackhide__ = True
    known = recall(item.config, case)
    run = TunedRun(case, known=known) if case.search else CaseRun(case)
    try:
        with progress_of(item, case) as run.progress:
            run.run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # pytest-timeout ends a test by pytest.fail; whatever else is no Exception came out of the optimizer.
        rows = run.rows("timeout" if isinstance(error, pytest.fail.Exception) else "crashed")
        _store(item, case, rows, judge(rows), "failed")
        _store_trials(item, run)
        if isinstance(error, DODGES):
            raise _dodged(case, error) from error
        raise
    rows = run.rows("timeout")
    verdict = judge(rows)
    word = "passed" if verdict.passed else "failed"
    if word == "failed" and expected_failure(case) and verdict.word in MISSES:
        word = "xfailed"
    if word == "passed" and expected_failure(case) and verdict.mended:
        word = "failed"
    rows = _store(item, case, rows, verdict, word)
    _store_trials(item, run)
    if isinstance(run, TunedRun) and run.trials and run.values is not None:
        remember(item.config, case, run.values)
    if run.crash is not None:
        seed, step = run.crashed_at or (0, 0)
        run.crash.add_note(
            f"raised by {case.recipe.path} on {case.task.name}@{case.task.version}, seed {seed}, step {step}"
            f" ({verdict.outcomes['crashed']} of {verdict.seeds} seeds crashed)"
        )
        if isinstance(run.crash, DODGES):
            raise _dodged(case, run.crash) from run.crash
        raise pruned(run.crash)
    return rows, verdict


def assert_passed(case: Case, rows: Sequence[Run], verdict: Verdict) -> None:
    """Raise CaseFailed, which explains, unless the case passed; ExpectedFailurePassed when it should not have."""
    __tracebackhide__ = True
    if not case.task.gates and verdict.word in ("reached", "missed", "diverged"):
        return
    if not verdict.passed:
        raise CaseFailed(explain(verdict, rows))
    if expected_failure(case) and verdict.mended:
        raise ExpectedFailurePassed(
            f"{case.recipe.name} on {case.task.name}: declared as an expected failure ({expected_failure(case)}), but "
            f"{verdict.reached} of {verdict.seeds} seeds reach the target; remove it from expected_failures"
        )


def _store(item: pytest.Item, case: Case, rows: Sequence[Run], verdict: Verdict, word: str) -> list[Run]:
    own = case is item.stash[CASE]
    if word == "failed" and not (own and case.task.gates) and verdict.word in ("missed", "diverged"):
        word = "reported"  # nothing hangs on it: an optimizer to compare with, or a task that never decides
    judged = [replace(row, verdict=word, change="new") for row in rows]
    item.stash.setdefault(ROWS, []).extend(judged)
    if own:
        item.user_properties[:] = _properties(judged, verdict)
    return judged


def _store_trials(item: pytest.Item, run: CaseRun) -> None:
    if isinstance(run, TunedRun):
        item.stash.setdefault(ROWS, []).extend(run.trials)


def _properties(rows: Sequence[Run], verdict: Verdict) -> list[tuple[str, object]]:
    """A few scalars for JUnit: plain str, int and float, which survive every transport."""
    first = rows[0]
    q1, q2, q3 = verdict.quartiles
    return [
        ("optbench_recipe", first.recipe),
        ("optbench_task", f"{first.task}@{first.task_version}"),
        ("optbench_tier", first.tier),
        ("optbench_outcome", verdict.word),
        ("optbench_reached", int(verdict.reached)),
        ("optbench_seeds", int(verdict.seeds)),
        ("optbench_target", float(first.target or 0.0)),
        ("optbench_budget", int(first.budget)),
        ("optbench_steps_q1", float(q1)),
        ("optbench_steps_median", float(q2)),
        ("optbench_steps_q3", float(q3)),
        ("optbench_engine", first.engine),
    ]


def with_benchmark(item: pytest.Item) -> list[Run]:
    """The rows of an item, with the median of pytest-benchmark where it has timed the step of the item's case."""
    rows = item.stash.get(ROWS, [])
    stats = getattr(getattr(item, "funcargs", {}).get("benchmark"), "stats", None)
    if stats is None or item.stash.get(STEPPED, []) != [True]:
        return rows
    name, milliseconds = item.stash[CASE].recipe.name, 1e3 * float(stats.stats.median)
    return [replace(row, step_ms=milliseconds) if row.recipe == name and not row.trial else row for row in rows]


def plain(rows: Sequence[Run]) -> list[dict[str, Any]]:
    """The rows as plain data, which is what may travel on a report from a worker to the controller."""
    return [asdict(row) for row in rows]
