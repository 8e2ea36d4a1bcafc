"""Items: the collection tree below the anchor file (recipe, layer, case) and the one kind of item at its leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pytest_optbench.integration.comparing import expected_miss
from pytest_optbench.integration.execution import (
    CASE,
    ROWS,
    STEPPED,
    CaseFailed,
    CaseMissed,
    assert_passed,
    execute,
    expected_failure,
    plain,
    with_benchmark,
)
from pytest_optbench.integration.fingerprints import FINGERPRINTS, compare_fingerprint, fingerprints_to_make
from pytest_optbench.integration.gone import GONE, fail_for_gone, gone_cases, gone_recipes
from pytest_optbench.integration.inspection import (
    FINDINGS,
    CheckTimedOut,
    failure_text,
    perform,
    plain_findings,
    planned,
    properties,
)
from pytest_optbench.integration.session import SESSION
from pytest_optbench.integration.suite import Entry
from pytest_optbench.integration.tracebacks import user_traceback
from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.plan import CheckCase
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.engine.case import Case, blank_row
from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.errors import OptbenchError, encodable
from pytest_optbench.words.verdict import judge


class OptbenchFile(pytest.File):
    """The file that holds the table, or the ini file for recipes of the command line."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        session = self.config.stash[SESSION]
        for entry in session.suite.entries.values():
            yield RecipeNode.from_parent(self, name=entry.recipe.name, entry=entry)
        if gone := gone_recipes(session, self.config.rootpath):
            yield GoneItem.from_parent(self, name="gone", gone=gone)


def anchor_node(parent: pytest.Collector, path: Path, *, bare: bool) -> pytest.Collector:
    """The node of the anchor file; `bare` for one outside the project, whose id is its name instead of a path."""
    keywords: dict[str, Any] = {"nodeid": path.name} if bare else {}
    node: OptbenchFile = OptbenchFile.from_parent(parent, path=path, **keywords)
    return node


class RecipeNode(pytest.Collector):
    """One recipe; its children are the layers of the suite."""

    def __init__(self, *, entry: Entry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Collector]:
        if self.entry.contract:
            yield ContractNode.from_parent(self, name="contract", entry=self.entry)
        if prints := fingerprints_to_make(self.config.stash[SESSION], self.entry):
            yield FingerprintNode.from_parent(self, name="fingerprint", subjects=prints)
        if self.entry.cases:
            yield TasksNode.from_parent(self, name="tasks", entry=self.entry)


class TasksNode(pytest.Collector):
    """The convergence layer of one recipe: one case for each task."""

    def __init__(self, *, entry: Entry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item]:
        for case in self.entry.cases:
            yield CaseItem.from_parent(self, name=case.task.name, case=case)
        if gone := gone_cases(self.config.stash[SESSION], self.entry):
            yield GoneItem.from_parent(self, name="gone", gone=gone)


class FingerprintNode(pytest.Collector):
    """The fingerprints of one recipe: one for each configuration."""

    def __init__(self, *, subjects: Sequence[Subject], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.subjects = subjects

    def collect(self) -> Iterator[pytest.Item]:
        for subject in self.subjects:
            yield FingerprintItem.from_parent(self, name=subject.configuration, subject=subject)


class FingerprintItem(pytest.Item):
    """The fingerprint of one configuration beside the stored one."""

    def __init__(self, *, subject: Subject, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.subject = subject
        self.add_marker("optbench_fingerprint")

    def runtest(self) -> None:
        compare_fingerprint(self.subject, self)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return _told(excinfo, self.config)

    def reportinfo(self) -> tuple[str, int, str]:
        path, line = self.subject.recipe.source()
        return path or str(self.path), line, f"{self.subject.recipe.name} fingerprint of {self.subject.configuration}"


class GoneItem(pytest.Item):
    """What the baseline has and the project does not declare any more. It depends on no run."""

    def __init__(self, *, gone: Sequence[BaselineRow], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.gone = gone
        self.add_marker("optbench_tasks")

    def runtest(self) -> None:
        fail_for_gone(self.gone, self)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return _told(excinfo, self.config)

    def reportinfo(self) -> tuple[str, None, str]:
        return str(self.path), None, "gone from the baseline"


class ContractNode(pytest.Collector):
    """The contract of one recipe: one node for each configuration."""

    def __init__(self, *, entry: Entry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Collector]:
        for configuration, cases in groupby(self.entry.contract, key=lambda case: case.configuration):
            yield ConfigurationNode.from_parent(self, name=configuration, cases=list(cases))


class ConfigurationNode(pytest.Collector):
    """One configuration: its checks, and a node for each check that gives several verdicts."""

    def __init__(self, *, cases: list[CheckCase], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cases = cases

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        for name, group in groupby(self.cases, key=lambda case: case.check.name):
            cases = list(group)
            if cases[0].part:
                yield CheckNode.from_parent(self, name=name, cases=cases)
            else:
                yield CheckItem.from_parent(self, name=name, case=cases[0])


class CheckNode(pytest.Collector):
    """One check with a verdict for each of its parts: dtypes, hyperparameters or scenarios."""

    def __init__(self, *, cases: list[CheckCase], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cases = cases

    def collect(self) -> Iterator[pytest.Item]:
        for case in self.cases:
            yield CheckItem.from_parent(self, name=case.part, case=case)


class CheckItem(pytest.Item):
    """One check of one configuration. The property holds, or `runtest` raises."""

    def __init__(self, *, case: CheckCase, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case
        self.add_marker("optbench_contract")
        if case.check.extra:
            self.add_marker(f"optbench_{case.check.extra}")
        if case.expected:
            self.add_marker(pytest.mark.xfail(reason=case.expected, raises=ContractBroken, strict=True))

    def runtest(self) -> None:
        try:
            perform(self.case, self)
        finally:
            self.user_properties[:] = properties(self.stash[FINDINGS][0])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ContractBroken):
            return failure_text(self.case, excinfo.value)
        if isinstance(excinfo.value, CheckTimedOut):
            return str(excinfo.value)
        return user_traceback(excinfo, self.config.getoption("tbstyle"))

    def reportinfo(self) -> tuple[str, int, str]:
        path, line = self.case.subject.recipe.source()
        return path or str(self.path), line, f"{self.case.subject.recipe.name} {self.case.name}"


class CaseItem(pytest.Item):
    """One recipe on one task over all its seeds. The verdict falls inside `runtest`."""

    def __init__(self, *, case: Case, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case
        self.stash[CASE] = case
        self.add_marker("optbench_tasks")
        self.add_marker(f"optbench_{case.task.tier}")
        reason = expected_failure(case) or expected_miss(self.config.stash[SESSION], case)
        if reason:
            self.add_marker(pytest.mark.xfail(reason=reason, raises=CaseMissed, strict=False))

    def runtest(self) -> None:
        _, _, ruling = execute(self.case, self)
        if ruling.excuse and not self.get_closest_marker("xfail"):
            self.add_marker(pytest.mark.xfail(reason=ruling.excuse, raises=CaseMissed, strict=False))
        assert_passed(ruling)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return _told(excinfo, self.config)

    def reportinfo(self) -> tuple[str, int, str]:
        path, line = self.case.recipe.source()
        return path or str(self.path), line, f"{self.case.recipe.name} on {self.case.task.name}"


def place(item: pytest.Item) -> tuple[str, int, str]:
    """File and line (from 1; 0 for none) of the definition of the item's optimizer, and what to call the item."""
    if isinstance(item, GoneItem):
        return str(item.path), 0, item.reportinfo()[2]
    path, line = _recipe(item).source()
    ours = isinstance(item, CheckItem | FingerprintItem | CaseItem)
    return path, line + 1 if path else 0, item.reportinfo()[2] if ours else item.nodeid


def _recipe(item: pytest.Item) -> Recipe:
    if isinstance(item, CheckItem):
        return item.case.subject.recipe
    return item.subject.recipe if isinstance(item, FingerprintItem) else item.stash[CASE].recipe


def _told_of(item: pytest.Item) -> bool:
    """Is the item's failure one of an optimizer, or of what became of it?"""
    return isinstance(item, CheckItem | FingerprintItem | GoneItem) or CASE in item.stash


def reason(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> tuple[str, str]:
    """Why an item failed: a word (`contract`, `fingerprint`, `gone`, or the outcome or change that explains the
    verdict), and a sentence."""
    error = call.excinfo.value if call.excinfo is not None else None
    text = str(error) if isinstance(error, _TELLING) else f"{type(error).__name__}: {error}"
    text = next(iter((report.longreprtext if error is None else text).strip().splitlines()), "failed")
    word = next((word for kind, word in _WORDS.items() if isinstance(item, kind)), "") or _word(item)
    return word, "; ".join([text, *getattr(error, "__notes__", ())])


_WORDS = {CheckItem: "contract", FingerprintItem: "fingerprint", GoneItem: "gone"}
_TELLING = (CaseFailed, ContractBroken, CheckTimedOut, pytest.fail.Exception)
"""Exceptions whose text needs no name of a class before it."""


def _word(item: pytest.Item) -> str:
    rows = [row for row in item.stash.get(ROWS, []) if row.recipe == item.stash[CASE].recipe.name and not row.trial]
    if not rows:
        return ""
    word = judge(rows).word
    return rows[0].change if word == "reached" else word


def _told(excinfo: pytest.ExceptionInfo[BaseException], config: pytest.Config) -> Any:
    """The sentence of a failure of ours, else the user's frames."""
    if isinstance(excinfo.value, (CaseFailed, OptbenchError)):
        return str(excinfo.value)
    return user_traceback(excinfo, config.getoption("tbstyle"))


def deselected_recipes(items: Iterable[pytest.Item]) -> set[str]:
    """The recipes of which a case is among the items."""
    return {item.case.recipe.name for item in items if isinstance(item, CaseItem)}


def attach(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> pytest.TestReport:
    """Put the item's rows on its report, as plain data: they survive a worker, and replace those of an earlier try.

    The report of the setup phase carries blank rows, from which the `crashed` rows are made if the process dies, and
    the place of the optimizer. Of an item that fails, a sentence goes along.
    """
    if report.when == "setup" and _told_of(item):
        report.optbench_place = place(item)  # type: ignore[attr-defined]
    if report.failed and _told_of(item):
        report.optbench_reason = reason(item, call, report)  # type: ignore[attr-defined]
    if report.when == "setup" and report.passed and CASE in item.stash:
        case = item.stash[CASE]
        item.stash[ROWS] = []
        report.optbench_planned = plain([blank_row(case, seed) for seed in case.seeds])  # type: ignore[attr-defined]
    if report.when == "setup":
        item.stash.setdefault(FINDINGS, []).clear()
        item.stash[STEPPED] = []
        if isinstance(item, CheckItem):
            report.optbench_planned_finding = asdict(planned(item.case))  # type: ignore[attr-defined]
    if report.when == "call":
        report.optbench_fingerprints = item.stash.get(FINGERPRINTS, [])  # type: ignore[attr-defined]
        report.optbench_gone = item.stash.get(GONE, [])  # type: ignore[attr-defined]
    if report.when == "call" and item.stash[FINDINGS]:
        report.optbench_findings = plain_findings(item, report)  # type: ignore[attr-defined]
    if report.when == "call":
        rows = with_benchmark(item)
        if report.passed:
            # A test of the user's may look at a miss and be content with it.
            rows = [replace(row, verdict="reported") if row.verdict == "failed" else row for row in rows]
        report.optbench_rows = plain(rows)  # type: ignore[attr-defined]
    for name in [name for name in vars(report) if name.startswith("optbench_")]:
        setattr(report, name, encodable(getattr(report, name)))
    return report
