"""Execution: runs a case inside a test, keeps its rows, and says what pytest should make of it."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from pytest_optbench.integration.comparing import circumstances, compared, standings, stored_values
from pytest_optbench.integration.progress import progress_of
from pytest_optbench.integration.session import SESSION
from pytest_optbench.integration.tracebacks import pruned
from pytest_optbench.integration.tuned import recall, remember
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.tuning import TunedRun
from pytest_optbench.words.comparison import Comparison, stamped
from pytest_optbench.words.ruling import Ruling, rule
from pytest_optbench.words.run import Run
from pytest_optbench.words.standing import highest
from pytest_optbench.words.verdict import Verdict, judge

ROWS = pytest.StashKey[list[Run]]()
"""The rows that an item has measured so far."""
STEPPED = pytest.StashKey[list[bool]]()
"""For each step function that a test has asked for: is it of the case's own optimizer, on its task's parameters?"""
CASE = pytest.StashKey[Case]()
"""The case that an item stands for: its properties in JUnit, and its rows if the process dies."""


class CaseFailed(Exception):
    """The verdict of a case that failed; its text is the whole explanation."""


class CaseMissed(CaseFailed):
    """The case failed in a way that is expected: what an expected failure or a known miss covers."""


DODGES = (unittest.SkipTest, pytest.skip.Exception, pytest.xfail.Exception)
"""What would have pytest pass over a test; an optimizer that raises it has crashed all the same."""


def _dodged(case: Case, error: BaseException) -> CaseFailed:
    return CaseFailed(f"{case.recipe.name} on {case.task.name}: step() raised {type(error).__name__}: {error}")


def expected_failure(case: Case) -> str:
    """Why the recipe is expected to fail on the task; empty when it is not."""
    return case.recipe.expected_failures.get(case.task.name, "")


def execute(case: Case, item: pytest.Item) -> tuple[list[Run], Verdict, Ruling]:
    """Run a case, compare it and store its rows on the item. Raises what the optimizer raised, when it did; never for a
    ruling.

    When something else ends the run (a plugin's timeout, an exit), what was measured is stored before that goes on.
    """
    __tracebackhide__ = True
    session = item.config.stash[SESSION]
    own = case is item.stash[CASE]
    known = stored_values(session, case) if own else None
    if known is None:
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
        _store(item, case, rows, judge(rows), "failed", None)
        _store_trials(item, run)
        if isinstance(error, DODGES):
            raise _dodged(case, error) from error
        raise
    rows = run.rows("timeout")
    verdict = judge(rows)
    comparison = compared(session, case, rows) if own and run.crash is None else None
    found = standings(session, case, rows) if own and run.crash is None else ()
    rows = [replace(row, level=highest(found, solved=verdict.passed)) for row in rows]
    ruling = (
        rule(
            rows,
            verdict,
            comparison,
            circumstances(session, case, expected=expected_failure(case), nodeid=item.nodeid, standings=found),
        )
        if own
        else Ruling(word="passed" if verdict.passed else "failed" if run.crash else "reported")
    )
    rows = _store(item, case, rows, verdict, ruling.word, comparison)
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
    return rows, verdict, ruling


def assert_passed(ruling: Ruling) -> None:
    """Raise CaseFailed, which explains, unless the case passes; CaseMissed where that is expected."""
    __tracebackhide__ = True
    if ruling.word == "failed":
        raise CaseFailed(ruling.sentence)
    if ruling.word == "xfailed":
        raise CaseMissed(ruling.sentence)


def _store(
    item: pytest.Item,
    case: Case,
    rows: Sequence[Run],
    verdict: Verdict,
    word: str,
    comparison: Comparison | None,
) -> list[Run]:
    judged = [replace(row, verdict=word, change="new") for row in rows]
    if comparison is not None:
        judged = stamped(judged, comparison)
    item.stash.setdefault(ROWS, []).extend(judged)
    if case is item.stash[CASE]:
        item.user_properties[:] = [*_properties(judged, verdict), *_compared_properties(comparison)]
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


def _compared_properties(comparison: Comparison | None) -> list[tuple[str, object]]:
    """What the comparison adds to them."""
    if comparison is None:
        return []
    found: list[tuple[str, object]] = [("optbench_change", comparison.change), ("optbench_reason", comparison.reason)]
    if comparison.before is not None:
        found.append(("optbench_steps_median_before", float(comparison.before.median_steps)))
    if comparison.evidence is not None:
        found.append(("optbench_p_value", float(comparison.evidence.p_value)))
        if effect := comparison.evidence.effect:
            found += [
                ("optbench_ratio", float(effect.ratio)),
                ("optbench_ratio_low", float(effect.low)),
                ("optbench_ratio_high", float(effect.high)),
            ]
    return found


def plain(rows: Sequence[Run]) -> list[dict[str, Any]]:
    """The rows as plain data, which is what may travel on a report from a worker to the controller."""
    return [asdict(row) for row in rows]
