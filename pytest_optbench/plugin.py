"""The entry module: what pytest loads at every start. Light: the rest is imported only under `--optbench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_optbench.integration.options import OPTIONS

if TYPE_CHECKING:
    from pytest_optbench.integration.fixture import Benchmark
    from pytest_optbench.machine.tasks.task import Task

IDLE = "needs --optbench"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    group = parser.getgroup("optbench", "optimizer benchmarks as tests")
    group.addoption(
        "--optbench",
        action="store_true",
        dest="optbench",
        help="run the optimizer benchmarks (ordinary tests are not run)",
    )
    for option in OPTIONS:
        option.add_to(parser, group)


@pytest.hookimpl
def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "optbench(optimizer=..., hyperparameters={}, tasks='', ...): benchmark an optimizer; one test per task",
    )
    config.addinivalue_line("markers", "optbench_tasks: a task of the standard suite, made by --optbench")
    config.addinivalue_line("markers", "optbench_contract: an exact check of an optimizer, made by --optbench")
    config.addinivalue_line("markers", "optbench_fingerprint: a fixed trajectory of an optimizer, made by --optbench")
    for extra in ("compile", "distributed", "process"):
        config.addinivalue_line("markers", f"optbench_{extra}: a check that --optbench-extra={extra} asks for")
    for tier in ("unit", "small", "full"):
        config.addinivalue_line("markers", f"optbench_{tier}: a task of tier {tier}, made by --optbench")
    if config.getoption("optbench") and not config.getoption("help"):
        from pytest_optbench.integration.hooks import activate  # noqa: PLC0415 - heavy: not while idle

        activate(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("optbench"):
        for item in items:
            if item.get_closest_marker("optbench"):
                item.add_marker(pytest.mark.skip(reason=IDLE))


@pytest.fixture
def optbench_task(request: pytest.FixtureRequest) -> Task:
    """The task of this test, one of those that the `optbench` mark selects."""
    from pytest_optbench.integration.fixture import requested_task  # noqa: PLC0415 - heavy: not while idle

    return requested_task(request)


@pytest.fixture
def optbench(request: pytest.FixtureRequest, optbench_task: Task) -> Benchmark:
    """The marked optimizer on this test's task: `.check()` judges it, `.run()` runs it or another one."""
    from pytest_optbench.integration.fixture import requested_benchmark  # noqa: PLC0415 - heavy: not while idle

    return requested_benchmark(request, optbench_task)


class Hooks:
    """Hooks that other plugins and conftest files may implement."""

    @staticmethod
    def pytest_optbench_tasks(config: pytest.Config) -> list[Task]:  # type: ignore[empty-body]
        """Return tasks of your own, in addition to the standard ones.

        Example, in `conftest.py`:

            def pytest_optbench_tasks(config):
                from mytasks import Valley
                return [Valley()]
        """
