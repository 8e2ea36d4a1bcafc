"""Inspection: runs checks of the contract inside a test, keeps what they found, and says what pytest should show."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import pytest

from pytest_optbench.integration.execution import DODGES
from pytest_optbench.integration.session import SESSION
from pytest_optbench.integration.tracebacks import user_traceback
from pytest_optbench.machine.contract.broken import ContractBroken, NotAvailable
from pytest_optbench.machine.contract.checks.descent import moves_and_descends
from pytest_optbench.machine.contract.hints import hints
from pytest_optbench.machine.contract.plan import CheckCase
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.claims import DEFAULT_CONFIGURATION
from pytest_optbench.words.finding import Finding

FINDINGS = pytest.StashKey[list[Finding]]()
"""What the checks of a test have said so far; of one that is under way, that it failed."""
_WIDTH = 116


class CheckTimedOut(Exception):
    """A check did not end within the time that a case may take."""


def perform(case: CheckCase, item: pytest.Item) -> None:
    """Run the check and store its finding. Raises ContractBroken where the property does not hold."""
    __tracebackhide__ = True
    finding = planned(case)
    findings = item.stash.setdefault(FINDINGS, [])
    findings.append(finding)
    seconds = item.config.stash[SESSION].settings.timeout
    try:
        with time_limit(seconds):
            measures = case.run()
    except ContractBroken as broken:
        findings[-1] = replace(finding, outcome="failed", sentence=str(broken))
        raise
    except NotAvailable as missing:
        findings.pop()
        pytest.skip(str(missing))
    except TimeLimitExceeded:
        sentence = f"not done after {seconds:g} seconds"
        findings[-1] = replace(finding, outcome="timeout", sentence=sentence)
        raise CheckTimedOut(f"{case.subject.recipe.name} {case.name}: {sentence}") from None
    except DODGES as error:
        # What would have pytest pass over a test came out of the optimizer.
        findings[-1] = replace(finding, outcome="failed", sentence=f"{type(error).__name__}: {error}")
        raise ContractBroken(findings[-1].sentence) from error
    except pytest.fail.Exception as late:  # of a plugin that limits the time of a test
        findings[-1] = replace(finding, outcome="timeout", sentence=f"ended by another plugin: {late}")
        raise
    except SystemExit as error:
        findings[-1] = replace(finding, outcome="failed", sentence=f"{type(error).__name__}: {error}")
        raise ContractBroken(findings[-1].sentence) from error
    findings[-1] = replace(finding, outcome="passed", measures=measures)
    if _first(case):
        with suppress(TimeLimitExceeded, *DODGES), time_limit(seconds):
            _revise(item, hints=tuple(hints(case.subject)))


def _first(case: CheckCase) -> bool:
    """Is it the one check that tells most of whether anything can be said: it moves, by default, in float32?"""
    name = (case.configuration, case.check.name, case.part)
    return name == (DEFAULT_CONFIGURATION, moves_and_descends.name, "float32")


def perform_all(cases: Sequence[CheckCase], item: pytest.Item) -> list[str]:
    """Run every check in one test; returns what is to be said of those that failed, or hold against expectation."""
    __tracebackhide__ = True
    texts = []
    for case in cases:
        try:
            perform(case, item)
        except ContractBroken as broken:
            if case.expected:
                _revise(item, outcome="xfailed", sentence=case.expected)
            else:
                texts.append(failure_text(case, broken))
        except CheckTimedOut as late:
            texts.append(str(late))
        else:
            if case.expected:
                _revise(item, outcome="xpassed", sentence=_HOLDS)
                texts.append(f"{case.subject.recipe.name} {case.name}: {_HOLDS} ({case.expected}); remove it")
    return texts


_HOLDS = "declared as known-broken, but it holds"


def _revise(item: pytest.Item, **changes: Any) -> None:
    item.stash[FINDINGS][-1] = replace(item.stash[FINDINGS][-1], **changes)


def planned(case: CheckCase) -> Finding:
    """The finding of a check of which nothing has been heard: what remains of it if the process dies."""
    return Finding(
        recipe=case.subject.recipe.name,
        configuration=case.configuration,
        check=case.check.name,
        part=case.part,
        outcome="crashed",
        sentence="the process died in it",
    )


def failure_text(case: CheckCase, broken: ContractBroken) -> str:
    """What pytest shows of a broken property: the sentence, the property, how to declare it, and where to look."""
    recipe = case.subject.recipe
    path, line = recipe.source()
    place = f", {path}:{line + 1}" if path else ""
    lines = [f"{recipe.name} {case.name}: {broken}"]
    lines += _indented(f"the property: {case.check.title}")
    lines += _indented(f"optimizer: {recipe.path} with {case.subject.described}{place}")
    if case.check.excuses:
        lines += _indented(f"if that is meant, claim one of: {', '.join(case.check.excuses)}")
    if broken.__cause__ is not None:
        cause = pytest.ExceptionInfo.from_exception(broken.__cause__)
        lines += ["", str(user_traceback(cause, "short"))]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def plain_findings(item: pytest.Item, report: pytest.TestReport) -> list[dict[str, Any]]:
    """The findings as plain data; an item of a single check adds what pytest has made of it."""
    findings = item.stash[FINDINGS]
    if len(findings) == 1:
        if report.skipped and hasattr(report, "wasxfail"):
            _revise(item, outcome="xfailed", sentence=report.wasxfail)
        elif report.failed and findings[0].outcome == "passed":
            _revise(item, outcome="xpassed", sentence=_HOLDS)
    return [asdict(finding) for finding in findings]


def properties(finding: Finding) -> list[tuple[str, object]]:
    """A few scalars for JUnit: plain str and float, which survive every transport."""
    return [
        ("optbench_recipe", finding.recipe),
        ("optbench_configuration", finding.configuration),
        ("optbench_check", finding.check),
        ("optbench_part", finding.part),
        *((f"optbench_{name}", float(value)) for name, value in finding.measures.items()),
    ]
