"""Gone: what a baseline has, and nothing declares any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_optbench.integration.comparing import accepting
from pytest_optbench.integration.execution import CaseFailed
from pytest_optbench.integration.session import SESSION, Session
from pytest_optbench.integration.suite import Entry
from pytest_optbench.machine.contract.recording import recorded_subjects
from pytest_optbench.machine.tasks.registry import in_tier
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.discovery import python_files
from pytest_optbench.words.errors import inert
from pytest_optbench.words.stored import Place

GONE = pytest.StashKey[list[Place]]()
"""The places in the baseline that an item found to be gone: what may travel on a report."""
_SHOWN = 12


def gone_cases(session: Session, entry: Entry) -> list[BaselineRow]:
    """Cases and fingerprints of a recipe that the baseline has and that are not declared.

    What a tier leaves out is not gone, and nor is another version of a task.
    """
    if session.baseline is None or session.settings.chooses:
        return []
    declared = {case.task.name for case in entry.cases}
    configurations = {one.configuration for one in recorded_subjects(entry.recipe, entry.capabilities)}
    tasks, tier = session.suite.tasks, session.settings.tier
    return [
        row
        for row in session.baseline.rows
        if row.recipe == entry.recipe.name
        and (
            row.configuration not in configurations
            if row.kind == "fingerprint"
            else row.task not in declared and (row.task not in tasks or in_tier(tasks[row.task], tier))
        )
    ]


def gone_recipes(session: Session, root: Path) -> list[BaselineRow]:
    """Rows of recipes that no table declares, and whose name no file with marked tests has."""
    if session.baseline is None or session.settings.chooses:
        return []
    missing = {row.recipe for row in session.baseline.rows} - session.suite.declared.keys()
    for path in python_files(root) if missing else ():
        text = path.read_text(encoding="utf-8", errors="replace")
        if "mark.optbench" in text:
            missing = {name for name in missing if name not in text}
    return [row for row in session.baseline.rows if row.recipe in missing]


def fail_for_gone(gone: Sequence[BaselineRow], item: pytest.Item) -> None:
    """Keep the places on the item, and raise CaseFailed unless what is gone is accepted, or fails nothing."""
    __tracebackhide__ = True
    session = item.config.stash[SESSION]
    item.stash[GONE] = [row.place for row in gone]
    policy = session.suite.policies.get(gone[0].recipe)
    fail_on = policy.fail_on if policy else session.fail_on
    if session.store is not None or "gone" not in fail_on or session.baseline is None:
        return
    names = list(map(described, gone))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise CaseFailed(
        f"gone: {', '.join(names[:_SHOWN])}{more}: in {session.baseline.label}, and not declared any more\n"
        f"  to accept it: {accepting(session, item.nodeid)}"
    )


def described(row: BaselineRow) -> str:
    what = f"fingerprint of {row.configuration}" if row.kind == "fingerprint" else f"{row.task}@{row.task_version}"
    return inert(f"{row.recipe} {what}" if row.kind == "fingerprint" else f"{row.recipe} on {what}")
