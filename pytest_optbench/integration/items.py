"""Items: the collection tree below the anchor file (recipe, layer, case) and the one kind of item at its leaves."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_optbench.integration.execution import ROWS, CaseFailed, ExpectedFailurePassed, assert_passed, execute, plain
from pytest_optbench.integration.session import SESSION
from pytest_optbench.integration.suite import Entry
from pytest_optbench.machine.engine.case import Case, blank_row
from pytest_optbench.words.run import Run

CASE = pytest.StashKey[Case]()
"""The case that an item stands for, for its rows if the process dies."""
_PACKAGE = Path(__file__).resolve().parent.parent


class OptbenchFile(pytest.File):
    """The file that holds the table, or the ini file for recipes of the command line."""

    def collect(self) -> Iterator[pytest.Collector]:
        for entry in self.config.stash[SESSION].suite.entries.values():
            yield RecipeNode.from_parent(self, name=entry.recipe.name, entry=entry)


class RecipeNode(pytest.Collector):
    """One recipe; its children are the layers of the suite."""

    def __init__(self, *, entry: Entry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Collector]:
        yield TasksNode.from_parent(self, name="tasks", entry=self.entry)


class TasksNode(pytest.Collector):
    """The convergence layer of one recipe: one case for each task."""

    def __init__(self, *, entry: Entry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item]:
        for case in self.entry.cases:
            yield CaseItem.from_parent(self, name=case.task.name, case=case)


class CaseItem(pytest.Item):
    """One recipe on one task over all its seeds. The verdict falls inside `runtest`."""

    def __init__(self, *, case: Case, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case
        self.stash[CASE] = case
        self.expected_failure = case.recipe.expected_failures.get(case.task.name, "")
        self.add_marker("optbench_tasks")
        self.add_marker(f"optbench_{case.task.tier}")
        if self.expected_failure:
            # Covers the verdict only: an exception or a timeout of an expected failure still fails.
            self.add_marker(pytest.mark.xfail(reason=self.expected_failure, raises=CaseMissed, strict=False))

    def runtest(self) -> None:
        rows, verdict = execute(self.case, self, expected_failure=self.expected_failure)
        try:
            assert_passed(self.case, rows, verdict, expected_failure=self.expected_failure)
        except CaseFailed as failure:
            if verdict.word in ("missed", "diverged"):
                raise CaseMissed(str(failure)) from None
            raise

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (CaseFailed, ExpectedFailurePassed)):
            return str(excinfo.value)
        return user_traceback(excinfo, self.config.getoption("tbstyle"))

    def reportinfo(self) -> tuple[str, int, str]:
        path, line = self.case.recipe.source()
        return path or str(self.path), line, f"{self.case.recipe.name} on {self.case.task.name}"


class CaseMissed(CaseFailed):
    """The case failed because seeds missed the target or diverged: what an expected failure may cover."""


def user_traceback(excinfo: pytest.ExceptionInfo[BaseException], style: str) -> Any:
    """The traceback of an exception in the user's code, from the first frame that is neither pytest's nor ours."""
    outside = [entry for entry in excinfo.traceback if not _is_machinery(Path(str(entry.path)))]
    if outside:
        excinfo.traceback = type(excinfo.traceback)(outside)
        return excinfo.getrepr(style="long" if style == "auto" else style, tbfilter=False)  # type: ignore[arg-type]
    return "".join(traceback.format_exception_only(excinfo.value)).strip()


def _is_machinery(path: Path) -> bool:
    """Is a frame's file ours, pytest's, or one of the wrappers that torch puts around every step?"""
    return (
        path.is_relative_to(_PACKAGE)
        or "_pytest" in path.parts
        or "pluggy" in path.parts
        or path.parts[-3:] == ("torch", "optim", "optimizer.py")
        or path.parts[-3:] == ("torch", "utils", "_contextlib.py")
    )


def attach(item: pytest.Item, report: pytest.TestReport) -> pytest.TestReport:
    """Put the item's rows on its report, as plain data: they survive a worker, and replace those of an earlier try.

    The report of the setup phase carries blank rows, from which the `crashed` rows are made if the process dies.
    """
    if report.when == "setup" and report.passed and CASE in item.stash:
        case = item.stash[CASE]
        item.stash[ROWS] = []
        report.optbench_planned = plain([blank_row(case, seed) for seed in case.seeds])  # type: ignore[attr-defined]
    if report.when == "call":
        rows: list[Run] = item.stash.get(ROWS, [])
        report.optbench_rows = plain(rows)  # type: ignore[attr-defined]
    return report
