"""Fingerprints: which ones a session makes, and what becomes of an item that makes one."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pytest_optbench.integration.comparing import accepting
from pytest_optbench.integration.execution import DODGES, CaseFailed
from pytest_optbench.integration.session import SESSION, Session
from pytest_optbench.integration.suite import Entry
from pytest_optbench.machine.contract.recording import parity_covers, recorded_row, recorded_subjects
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.baseline import BaselineRow, to_csv
from pytest_optbench.words.errors import inert
from pytest_optbench.words.fingerprint import TASK, VERSION, changes

FINGERPRINTS = pytest.StashKey[list[tuple[str, str]]]()
"""A baseline's row as CSV, and how it differs from the stored one: what may travel on a report."""


def fingerprints_to_make(session: Session, entry: Entry) -> list[Subject]:
    """The configurations that the baseline has a fingerprint of, or that are to be saved."""
    stored = session.baseline.fingerprints if session.baseline else {}
    return [
        subject
        for subject in entry.subjects
        if (entry.recipe.name, subject.configuration) in stored or session.store is not None
    ]


def save_fingerprints(case: Case, item: pytest.Item) -> None:
    """Where the case of a marked test is saved, keep the fingerprints of its recipe on the item, to be saved with it.

    They certify it on another machine. An optimizer that does not get through the script has none.
    """
    session = item.config.stash[SESSION]
    deciding = len(case.seeds) >= session.suite.policies[case.recipe.name].gate.least_seeds
    if session.store is None or not (deciding and session.settings.runs("fingerprint")):
        return
    with suppress(Exception, *DODGES, TimeLimitExceeded), time_limit(session.settings.timeout):
        subjects = [
            one
            for one in recorded_subjects(case.recipe, case.capabilities)
            if not one.derived and not parity_covers(one)  # a test runs the default alone
        ]
        item.stash[FINGERPRINTS] = [(to_csv([recorded_row(one)]), "") for one in subjects]


def compare_fingerprint(subject: Subject, item: pytest.Item) -> None:
    """Make the fingerprint, keep it on the item, and raise CaseFailed where it is not the stored one.

    One that is saved fails for nothing; an optimizer that does not get through the script has none, and is skipped.
    """
    __tracebackhide__ = True
    session, name, configuration = item.config.stash[SESSION], subject.recipe.name, subject.configuration
    stored = session.baseline.fingerprints.get((name, configuration)) if session.baseline else None
    saving = session.accepts((name, TASK, VERSION, configuration))
    item.user_properties[:] = [("optbench_recipe", name), ("optbench_configuration", configuration)]
    try:
        with time_limit(session.settings.timeout):
            found = recorded_row(subject)
    except TimeLimitExceeded:
        raise CaseFailed(f"{name} fingerprint of {configuration}: not done in {session.settings.timeout:g} s") from None
    except (Exception, *DODGES) as error:
        if stored is None or saving:
            pytest.skip(inert(f"no fingerprint: {type(error).__name__}: {error}"))
        if isinstance(error, Exception):
            raise
        raise CaseFailed(f"{name} fingerprint of {configuration}: {type(error).__name__}: {error}") from error
    sentence = _difference(session, found, stored) if stored is not None and not saving else ""
    item.stash[FINGERPRINTS] = [(to_csv([found]), sentence)]
    item.user_properties.append(("optbench_change", "changed" if sentence else "unchanged" if stored else "new"))
    if sentence and "fingerprint" in session.suite.policies[name].fail_on:
        raise CaseFailed(f"{sentence}\n  to accept it: {accepting(session, item.nodeid)}")


def _difference(session: Session, found: BaselineRow, stored: BaselineRow) -> str:
    assert session.baseline is not None
    label = session.baseline.label
    different = changes([found], [stored], where=label)
    if not different:
        return ""
    text = f"{found.recipe} fingerprint of {found.configuration}, compared with {label}: {different[0].sentence}"
    if found.hyperparameters != stored.hyperparameters:
        text += f"; hyperparameters were {stored.hyperparameters} and are {found.hyperparameters}"
    return inert(text)
