"""The hooks of an active session (`--optbench`): each hands over to the layer that does the work."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_optbench.integration import items as items_module
from pytest_optbench.integration import marks as marks_module
from pytest_optbench.integration import session
from pytest_optbench.integration.comparing import require_deciding
from pytest_optbench.integration.session import SESSION, Session
from pytest_optbench.integration.sink import Sink
from pytest_optbench.words.errors import OptbenchError, encodable


def activate(config: pytest.Config) -> None:
    """Validate everything and register the hooks. Raises pytest.UsageError, so that pytest exits with code 4."""
    try:
        config.stash[SESSION] = session.start(config)
        for entry in config.stash[SESSION].suite.entries.values():
            require_deciding(config.stash[SESSION], entry.cases)
    except OptbenchError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(ActiveHooks(config.stash[SESSION]), "optbench-active")
    if not session.is_worker(config):
        config.pluginmanager.register(Sink(config, config.stash[SESSION]), "optbench-sink")
        config.pluginmanager.register(Controller(), "optbench-controller")


class ActiveHooks:
    """On the controller, on every worker, and in a serial run alike."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        if file_path != self.session.anchor:
            return None
        return items_module.anchor_node(parent, file_path, bare=file_path == session.OWN_ANCHOR)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        marks_module.parametrize(metafunc, self.session)

    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> None:
        marks_module.refuse_marked_class(collector, name, obj)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        return marks_module.explain_collection_error(collector, (yield))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        session.deselect_ordinary_tests(self.session, config, items)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.session.partial.update(items_module.deselected_recipes(items))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        return items_module.attach(item, call, (yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, Any]:
        return encodable((yield))

    def pytest_report_header(self, config: pytest.Config) -> Iterable[str]:
        return self.session.header()


class Controller:
    """Only in the process that talks to the user; a worker is told what only this one knows."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        marks_module.raise_usage_error(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        session.tell(node.workerinput, node.config)
