"""Comparing: what the baseline of a session says about a case, before it runs and after."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pytest_optbench.integration.session import Session
from pytest_optbench.machine.contract.recording import parity_covers, parity_holds, recorded_row, recorded_subjects
from pytest_optbench.machine.engine.case import Case, blank_row
from pytest_optbench.machine.references import standard_rows
from pytest_optbench.machine.search import chosen
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.comparison import Comparison, compare, require_seeds
from pytest_optbench.words.difference import environment_difference, mismatch
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.evidence import Side
from pytest_optbench.words.fingerprint import changes
from pytest_optbench.words.ruling import Circumstances, known_miss
from pytest_optbench.words.run import Run
from pytest_optbench.words.standing import Standing, standing
from pytest_optbench.words.stored import tuned_values


def stored_row(session: Session, case: Case) -> BaselineRow | None:
    """What the baseline has of a case, perhaps of another version of its task; None where it has nothing."""
    if session.baseline is None:
        return None
    return session.baseline.case((case.recipe.name, case.task.name, case.task.version))


def stored_values(session: Session, case: Case) -> Mapping[str, Any] | None:
    """The baseline's values of what the recipe leaves open; None where it has none, or they are to be tuned anew."""
    row = stored_row(session, case)
    if row is None or not case.search or session.settings.tune == "force":
        return None
    return tuned_values(row, case.search)


def comparable(session: Session, case: Case) -> BaselineRow | None:
    """The baseline's row of a case if it will be comparable, by all that is known before it runs."""
    before = stored_row(session, case)
    if before is None:
        return None
    values = stored_values(session, case)
    known = replace(case, recipe=chosen(case.recipe, values)) if values is not None else case
    (after,) = from_runs([blank_row(known, seed) for seed in case.seeds])
    return None if mismatch(before, after) else before


def require_deciding(session: Session, cases: Iterable[Case]) -> None:
    """Raise OptbenchError for a case with too few seeds to be compared, or to be saved for a comparison."""
    for case in cases:
        gate = session.suite.policies[case.recipe.name].gate
        if before := comparable(session, case):
            require_seeds(before, case.seeds, gate)
        if session.store is not None and len(case.seeds) < gate.least_seeds:
            raise OptbenchError(
                f"{case.recipe.name} on {case.task.name}: a baseline of {len(case.seeds)} seeds decides nothing; "
                f"no fewer than {gate.least_seeds} can at alpha {gate.alpha:g} over {gate.tests} tests"
            )


def expected_miss(session: Session, case: Case) -> str:
    """Why the case is expected to miss, by the baseline; empty where it is not."""
    if session.baseline is None or (before := comparable(session, case)) is None or Side.of(before).solved:
        return ""
    return known_miss(Side.of(before), session.baseline.label)


def compared(session: Session, case: Case, runs: Sequence[Run]) -> Comparison | None:
    """The comparison of a case that has run; None without a baseline. Raises OptbenchError as `compare` does."""
    if session.baseline is None:
        return None
    before, (after,) = stored_row(session, case), from_runs(runs)
    same = None
    if before is not None and environment_difference(before, after):
        same = same_fingerprints(session, case)
    return compare(before, after, session.suite.policies[case.recipe.name].gate, same_fingerprint=same)


def standings(session: Session, case: Case, runs: Sequence[Run]) -> tuple[Standing, ...]:
    """What the seeds of a case say about the levels beside the reference table; () for a task that it does not have."""
    rows = standard_rows(case.task)
    if not rows:
        return ()
    gate, (own,) = session.suite.policies[case.recipe.name].gate, from_runs(runs)
    return tuple(standing(level, own, row, gate) for level, row in rows.items())


def circumstances(
    session: Session, case: Case, *, expected: str, nodeid: str, standings: Sequence[Standing] = ()
) -> Circumstances:
    """What the ruling on a case depends on besides its runs."""
    level = session.suite.policies[case.recipe.name].level
    return Circumstances(
        standing=next((one for one in standings if one.level == level), None),
        fail_on=session.suite.policies[case.recipe.name].fail_on,
        full=session.full(case.recipe.name),
        gates=case.task.gates,
        expected=expected,
        saving=session.accepts((case.recipe.name, case.task.name, case.task.version, "")),
        label=session.baseline.label if session.baseline else "",
        accept=accepting(session, nodeid),
    )


def accepting(session: Session, nodeid: str) -> str:
    """The command that accepts a change of an item; what follows from a commit is accepted by merging."""
    if session.settings.base:
        return f"merge it, or leave its word out of --optbench-fail-on ({session.settings.base} is the baseline)"
    return f"{session.command} {shlex.quote(nodeid)} --optbench-save"


def same_fingerprints(session: Session, case: Case) -> bool | None:
    """Does the recipe step as the baseline has it, or as its reference does, in the configuration that tasks run? None
    where the baseline lacks it and there is no reference either.

    Made once per recipe and process; runs the user's code, whose exceptions mean that it does not.
    """
    name = case.recipe.name
    if name not in session.same_fingerprints:
        session.same_fingerprints[name] = _same_fingerprints(session, case)
    return session.same_fingerprints[name]


def _same_fingerprints(session: Session, case: Case) -> bool | None:
    assert session.baseline is not None
    with suppress(Exception, TimeLimitExceeded), time_limit(session.settings.timeout):
        subject = recorded_subjects(case.recipe, case.capabilities)[0]
        if (case.recipe.name, subject.configuration) in session.baseline.fingerprints:
            return not changes([recorded_row(subject)], session.baseline.rows, where=session.baseline.label)
        return parity_holds(subject) if parity_covers(subject) else None
    return False
