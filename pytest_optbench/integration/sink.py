"""The sink: gathers rows from reports, wherever they ran, and turns them into the CSV and the summary."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_optbench.integration.drawing import drawn
from pytest_optbench.integration.inspection import planned
from pytest_optbench.integration.page import session_page
from pytest_optbench.integration.provenance import git_sha
from pytest_optbench.integration.session import Session
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.report.annotations import Failure, error_commands
from pytest_optbench.report.baseline import Fingerprinted, Saved, fingerprint_lines, saved_lines
from pytest_optbench.report.benchmark_list import to_benchmark_list
from pytest_optbench.report.contract import contract_lines
from pytest_optbench.report.markdown import markdown
from pytest_optbench.report.terminal import Inapplicable, summary_lines
from pytest_optbench.words import baseline
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.finding import Finding, FindingKey
from pytest_optbench.words.fingerprint import changes
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.results import storable
from pytest_optbench.words.review import Review, review_session
from pytest_optbench.words.run import Run
from pytest_optbench.words.stored import Place, save
from pytest_optbench.words.table import case_rows, run_key, to_csv, write_atomically

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

Key = tuple[str, str, int]
_BROKEN = ("crashed", "timeout")
_NOTHING_RAN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)


class Sink:
    """Lives on the controller, or in the only process of a serial run. Rows are keyed by case, never by node id."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.session = session
        self.rows: dict[Key, list[Run]] = {}
        self.planned: dict[str, list[Run]] = {}
        self.findings: dict[FindingKey, Finding] = {}
        self.planned_findings: dict[str, dict[str, Any]] = {}
        self.places: dict[str, tuple[str, int, str]] = {}
        self.failures: dict[str, Failure] = {}
        self.markdown = session.markdown if not _dry(config) else None
        self.html = session.html if not _dry(config) else None
        self.fingerprints: dict[Place, Fingerprinted] = {}
        self.gone: set[Place] = set()
        self.saved: Saved | None = None
        self.journal = Journal(session.csv) if session.csv is not None and not _dry(config) else None
        self.errors: list[str] = []
        self.figures: list[str] = []
        self._started = time.monotonic()
        self._measured = self._started
        """When the last item was done: figures and pages are not what runs cost."""
        self._stamp = {
            "git_sha": git_sha(config.rootpath),
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def pytest_report_header(self) -> str | None:
        if self.journal is None or self.journal.recovered is None:
            return None
        return f"optbench: an earlier session died; its rows are in {self.journal.recovered.name}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        planned = getattr(report, "optbench_planned", None)
        if planned:
            # Only until the item's own rows arrive, and only by what a crash report knows: the node id.
            self.planned[report.nodeid] = [Run(**row) for row in planned]
        rows = [Run(**row) for row in getattr(report, "optbench_rows", None) or ()]
        if rows or report.when == "call":
            self.planned.pop(report.nodeid, None)
        if str(report.when) == "???":  # how xdist reports the item during which a worker died
            rows = [
                replace(r, outcome="crashed", verdict="failed", change="new")
                for r in self.planned.pop(report.nodeid, [])
            ]
        if rows:
            self._take(rows)
        self._take_findings(report)
        self._take_failure(report)
        for text, sentence in getattr(report, "optbench_fingerprints", ()):
            (row,) = baseline.from_csv(text, where=report.nodeid)
            self.fingerprints[row.place] = Fingerprinted(row, sentence)
        self.gone.update(tuple(place) for place in getattr(report, "optbench_gone", ()))

    def _take_failure(self, report: pytest.TestReport) -> None:
        if hasattr(report, "optbench_place"):
            self.places[report.nodeid] = report.optbench_place
        place = self.places.get(report.nodeid)
        died = str(report.when) == "???"
        reason = ("crashed", "the process died in it") if died else getattr(report, "optbench_reason", None)
        if report.when == "setup":
            self.failures.pop(report.nodeid, None)  # of an earlier try
        if place and reason:
            path, line, title = place
            self.failures[report.nodeid] = Failure(path, line, title, reason[1], word=reason[0])

    def _take_findings(self, report: pytest.TestReport) -> None:
        found = getattr(report, "optbench_findings", None) or []
        if planned := getattr(report, "optbench_planned_finding", None):
            self.planned_findings[report.nodeid] = planned
        elif planned := self.planned_findings.pop(report.nodeid, None):
            found = [planned] if str(report.when) == "???" else found
        for one in found:
            finding = Finding(**{**one, "hints": tuple(one["hints"])})
            self.findings[finding.key] = finding

    def _findings_in_order(self) -> list[Finding]:
        """As in a serial run, whichever worker was first: in the order of the suite, and of the tests after it."""
        cases = [case for entry in self.session.suite.entries.values() for case in entry.contract]
        order = {planned(case).key: number for number, case in enumerate(cases)}
        return sorted(self.findings.values(), key=lambda one: (order.get(one.key, len(order)), one.recipe))

    def _take(self, rows: list[Run]) -> None:
        stamped = [replace(row, **self._stamp) for row in rows]  # type: ignore[arg-type]
        for key, group in case_rows(stamped, trials=True).items():
            if not any(row.trial for row in group):
                # A second try of an item finds in the cache what the first has tuned.
                group += [row for row in self.rows.get(key, []) if row.trial]
            self.rows[key] = group
        if self.journal is not None:
            self.journal.append(stamped)

    def all_rows(self) -> list[Run]:
        return [row for rows in self.rows.values() for row in rows]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._measured = time.monotonic()
        self._write_list(session)
        self._write_csv(session)
        store = self.session.store
        if store is not None and not _dry(session.config):
            if session.exitstatus in _NOTHING_RAN:
                self.saved = Saved(_shown(store, session.config), error="the session did not get to its end")
            else:
                self.saved = self._save(store, _shown(store, session.config))
            if session.exitstatus == pytest.ExitCode.OK and not self.saved.complete:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.markdown is not None and session.exitstatus not in _NOTHING_RAN:
            self._write_markdown(self.markdown, session)
        if self.html is not None and session.exitstatus not in _NOTHING_RAN:
            self._write_page(self.html, session)
        if self.session.plot is not None and self.rows and session.exitstatus not in _NOTHING_RAN:
            self._draw(self.session.plot, session)

    def _decides(self, row: Run) -> bool:
        """Is the row's case of enough seeds to be compared? Fewer are a test's own, and in no baseline."""
        if row.recipe in self.session.suite.declared:
            return True
        gate = Gate(alpha=self.session.settings.alpha, tolerance=self.session.settings.tolerance)
        return len(self.rows[row.recipe, row.task, row.task_version]) >= gate.least_seeds

    def _save(self, store: Path, shown: str) -> Saved:
        own = [row for row in storable(self.all_rows()) if self._decides(row)]
        broken = {(row.recipe, row.task, row.task_version): row.outcome for row in own if row.outcome in _BROKEN}
        try:
            cases = [row for row in baseline.from_runs(own) if row.key not in broken]
            rows = save(
                store,
                [*cases, *(one.row for one in self.fingerprints.values())],
                only_new=self.session.settings.save_new,
                gone=self.gone,
            )
        except (OptbenchError, OSError) as error:
            return Saved(shown, error=str(error))
        return Saved(
            shown,
            rows=tuple(rows),
            removed=0 if self.session.settings.save_new else len(self.gone),
            refused=tuple(f"{outcome}: {recipe} on {task}" for (recipe, task, _), outcome in sorted(broken.items())),
            broken=sum(one.outcome not in ("passed", "xfailed") for one in self.findings.values()),
            named=bool(self.session.settings.baseline),
        )

    def _write_csv(self, session: pytest.Session) -> None:
        if self.journal is None:
            return
        # A session that measured nothing has nothing to replace an earlier CSV with.
        empty = not self.rows and (self.journal.target.exists() or session.exitstatus in _NOTHING_RAN)
        if not empty:
            try:
                write_atomically(self.journal.target, to_csv(self.all_rows()))
            except OSError as error:
                self._fail(
                    session,
                    f"optbench: cannot write {self.journal.target} ({error}); the rows are in {self.journal.path}",
                )
            else:
                self.journal.close()

    def _fail(self, session: pytest.Session, error: str) -> None:
        self.errors.append(error)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write_markdown(self, path: Path, session: pytest.Session) -> None:
        text = markdown(self.review(failed=session.exitstatus != pytest.ExitCode.OK), accept=self._accept())
        try:
            write_atomically(path, text)
        except OSError as error:
            self._fail(session, f"optbench: cannot write {path} ({error})")

    def _write_page(self, path: Path, session: pytest.Session) -> None:
        try:
            text = session_page(
                self.all_rows(),
                self.review(failed=session.exitstatus != pytest.ExitCode.OK),
                tags={task.name: task.tags for task in self.session.suite.tasks.values()},
                command=self.session.command,
            )
            write_atomically(path, text)
        except (OptbenchError, OSError) as error:
            self._fail(session, f"optbench: cannot write {path} ({error})")

    def _accept(self) -> str:
        """The command that accepts what changed; empty where there is no file to change."""
        stored = self.session.baseline is not None and not self.session.settings.base
        return f"{self.session.command} --optbench-save" if stored else ""

    def review(self, *, failed: bool) -> Review:
        """What was measured, as a whole, in a session that failed or did not."""
        stored = self.session.baseline
        found = [one.row for one in self.fingerprints.values() if one.sentence]
        return review_session(
            self.all_rows(),
            before=stored.rows if stored else (),
            gone=self.gone,
            gates={name: policy.gate for name, policy in self.session.suite.policies.items()},
            fail_on=self.session.fail_on,
            findings=self._findings_in_order(),
            fingerprints=changes(found, stored.rows, where=stored.label) if stored else (),
            fingerprints_compared=len(self.fingerprints) if stored else 0,
            others_failed=failed,
        )

    def _write_list(self, session: pytest.Session) -> None:
        if self.session.json is None or not self.rows:
            return
        try:
            write_atomically(self.session.json, to_benchmark_list(self.all_rows()))
        except OSError as error:
            self._fail(session, f"optbench: cannot write {self.session.json} ({error})")

    def _draw(self, folder: Path, session: pytest.Session) -> None:
        try:
            self.figures = drawn(self.all_rows(), folder)
        except OptbenchError as error:
            self._fail(session, f"optbench: no figures ({error})")

    def _annotate(self, terminalreporter: TerminalReporter, config: pytest.Config) -> None:
        """On a runner of GitHub: commands that show the failures on the optimizers' own lines."""
        if os.environ.get("GITHUB_ACTIONS") == "true":
            root = Path(os.environ.get("GITHUB_WORKSPACE") or config.rootpath)
            for command in error_commands(self.failures.values(), root=root):
                terminalreporter.write_line(command)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter, config: pytest.Config) -> None:
        self._annotate(terminalreporter, config)
        for error in self.errors:
            terminalreporter.write_line(error, red=True)
        if not self.rows and not self.findings and not self.fingerprints and self.saved is None:
            return
        terminalreporter.section("optbench")
        for line in contract_lines(self._findings_in_order(), width=terminalreporter._tw.fullwidth):
            terminalreporter.write_line(line.text, **line.markup)
        compares = self.session.store is None or self.session.settings.save_new
        label = self.session.baseline.label if self.session.baseline and compares else ""
        for line in fingerprint_lines(
            list(self.fingerprints.values()), label=label, width=terminalreporter._tw.fullwidth
        ):
            terminalreporter.write_line(line.text, **line.markup)
        if self.rows:
            self._write_cases(terminalreporter)
        if self.figures and self.session.plot is not None:
            counted = f"{len(self.figures)} figure{'' if len(self.figures) == 1 else 's'}"
            terminalreporter.write_line(f"{counted} in {_shown(self.session.plot, config)}: {', '.join(self.figures)}")
        if self.saved is not None:
            for line in saved_lines(self.saved, width=terminalreporter._tw.fullwidth):
                terminalreporter.write_line(line.text, **line.markup)

    def _write_cases(self, terminalreporter: TerminalReporter) -> None:
        inapplicable = [
            Inapplicable(entry.recipe.name, task, reason)
            for entry in self.session.suite.entries.values()
            for task, reason in entry.inapplicable.items()
        ]
        tasks = {(task.name, task.version): task for task in self.session.suite.tasks.values()}
        measured = {(row.task, row.task_version) for rows in self.rows.values() for row in rows} & tasks.keys()
        for line in summary_lines(
            self.all_rows(),
            pars={key: threshold_of(tasks[key]).par for key in measured},
            tags={key: tasks[key].tags | {tasks[key].tier} for key in measured},
            inapplicable=inapplicable,
            before={row.key: row.median_steps for row in self.session.baseline.cases.values()}
            if self.session.baseline
            else None,
            width=terminalreporter._tw.fullwidth,
            csv=self.session.settings.csv,
            command=self.session.command,
            seconds=self._measured - self._started,
        ):
            terminalreporter.write_line(line.text, **line.markup)


class Journal:
    """An append-only file beside the CSV: what was measured survives even when the process does not.

    One JSON object per row. It is removed once the CSV is written; one that an earlier session left behind is turned
    into a CSV of its own first.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.journal")
        self.recovered = self._recover()

    def append(self, rows: list[Run]) -> None:
        # What cannot be written here is still in memory, and the end of the session tells of it.
        with suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)

    def close(self) -> None:
        self.path.unlink(missing_ok=True)

    def _recover(self) -> Path | None:
        if not self.path.exists():
            return None
        rows: dict[tuple[Any, ...], Run] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            run = _run_of(line)
            if run is not None:
                rows[run_key(run)] = run
        stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        recovered = self.target.with_name(f"{self.target.stem}.recovered-{stamp}.csv")
        write_atomically(recovered, to_csv(rows.values()))
        self.path.unlink()
        return recovered


def _run_of(line: str) -> Run | None:
    """The row of a line of the journal; None for the one that the dying process was writing, or any other damage."""
    try:
        run = Run(**json.loads(line))
        to_csv([run])
    except (ValueError, TypeError):
        return None
    return run if [type(key) for key in run_key(run)] == [str, str, int, int, str, int] else None


def _shown(path: Path, config: pytest.Config) -> str:
    """The path as one would write it: relative to where one stands, if it lies below."""
    folder = config.invocation_params.dir
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _dry(config: pytest.Config) -> bool:
    return bool(config.getoption("collectonly"))
