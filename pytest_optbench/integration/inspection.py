"""Inspection: runs a check inside a test item, and keeps what it found for the summary."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import pytest

from pytest_optbench.integration.execution import _DODGES
from pytest_optbench.integration.session import SESSION
from pytest_optbench.integration.tracebacks import user_traceback
from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.checks.descent import moves_and_descends
from pytest_optbench.machine.contract.hints import hints
from pytest_optbench.machine.contract.plan import CheckCase
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.claims import DEFAULT_CONFIGURATION
from pytest_optbench.words.finding import Finding

FINDING = pytest.StashKey[Finding]()
"""What an item's check has said, as far as it is known."""


def perform(case: CheckCase, item: pytest.Item) -> None:
    """Run the check and store its finding on the item. Raises ContractBroken where the property does not hold."""
    __tracebackhide__ = True
    finding = found(case)
    item.stash[FINDING] = replace(finding, outcome="failed")
    seconds = item.config.stash[SESSION].settings.timeout
    try:
        with time_limit(seconds):
            measures = case.run()
    except ContractBroken as broken:
        item.stash[FINDING] = replace(finding, outcome="failed", sentence=str(broken))
        raise
    except TimeLimitExceeded:
        sentence = f"not done after {seconds:g} seconds"
        item.stash[FINDING] = replace(finding, outcome="timeout", sentence=sentence)
        pytest.fail(f"{case.subject.recipe.name} {case.name}: {sentence}", pytrace=False)
    except _DODGES as error:
        raise ContractBroken(f"{type(error).__name__}: {error}") from error
    item.stash[FINDING] = replace(finding, outcome="passed", measures=measures)
    if _first(case):
        with suppress(TimeLimitExceeded, *_DODGES), time_limit(seconds):
            item.stash[FINDING] = replace(item.stash[FINDING], hints=tuple(hints(case.subject)))


def _first(case: CheckCase) -> bool:
    """Is it the one check that tells most of whether anything can be said: it moves, by default, in float32?"""
    name = (case.configuration, case.check.name, case.part)
    return name == (DEFAULT_CONFIGURATION, moves_and_descends.name, "float32")


def found(case: CheckCase) -> Finding:
    """The finding of a case before anything is known."""
    return Finding(
        recipe=case.subject.recipe.name, configuration=case.configuration, check=case.check.name, part=case.part
    )


def failure_text(case: CheckCase, broken: ContractBroken) -> str:
    """What pytest shows of a broken property: the sentence, the property, how to declare it, and where to look."""
    recipe = case.subject.recipe
    lines = [f"{recipe.name} {case.name}: {broken}"]
    lines += [f"  the property: {case.check.title}"]
    lines += [f"  hyperparameters: {case.subject.described}, optimizer {recipe.path}"]
    if case.check.exempt:
        lines += textwrap.wrap(
            f"if that is meant, claim one of: {', '.join(case.check.exempt)}",
            116,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    if broken.__cause__ is not None:
        cause = pytest.ExceptionInfo.from_exception(broken.__cause__)
        lines += ["", str(user_traceback(cause, "short"))]
    return "\n".join(lines)


def plain_finding(item: pytest.Item, report: pytest.TestReport) -> dict[str, Any]:
    """The finding as plain data, with what pytest has made of it."""
    finding = item.stash[FINDING]
    if getattr(report, "wasxfail", None) is not None and report.skipped:
        finding = replace(finding, outcome="xfailed", sentence=report.wasxfail)
    elif report.failed and finding.outcome == "passed":
        finding = replace(finding, outcome="xpassed", sentence="declared as known-broken, but it holds")
    return asdict(finding)
