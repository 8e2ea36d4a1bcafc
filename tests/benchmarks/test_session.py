"""Cost of the plugin beside what it measures: while idle, and around a unit-tier run.

Run with `pytest tests/benchmarks/test_session.py --benchmark-enable`; the shares are in `--benchmark-verbose` and
`--benchmark-json` as extra_info.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator

import pytest

from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.case import CaseRun
from pytest_optbench.machine.engine.group import Group
from pytest_optbench.machine.engine.instance import Instance
from pytest_optbench.machine.engine.stack import Stack

PACKAGE = "pytest_optbench"


def loaded() -> dict[str, object]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}


def test_import_of_the_entry_module(benchmark):
    """Everything that an idle pytest pays: the modules are forgotten, then the entry module is imported."""
    before = loaded()

    def forget():
        for name in loaded():
            del sys.modules[name]

    try:
        benchmark.pedantic(importlib.import_module, (f"{PACKAGE}.plugin",), setup=forget, rounds=20)
        modules = sorted(loaded())
    finally:
        forget()
        sys.modules.update(before)
    benchmark.extra_info["modules"] = modules
    assert len(modules) <= 5


def instances_of(group: Group) -> set[Instance]:
    """Every optimizer of the group: those of lanes, shadows among them, and those of stacks."""
    return {lane.instance for lane in group.lanes} | {crew.instance for crew in group.crews if isinstance(crew, Stack)}


class Clock:
    """Seconds inside optimizer.step(), inside gradients and evaluations, and inside cases as a whole."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tensors = self.cases = self.steps = 0.0
        self._patch(monkeypatch, Batched, "_call", "tensors")
        self._patch(monkeypatch, CaseRun, "run", "cases")
        evaluations = Group.evaluations

        def with_steps(group: Group) -> Iterator[int]:
            yield from evaluations(group)
            self.steps += sum(sum(instance._durations) for instance in instances_of(group))

        monkeypatch.setattr(Group, "evaluations", with_steps)

    def _patch(self, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, total: str) -> None:
        original = getattr(owner, method)

        def timed(*arguments):
            started = time.perf_counter()
            try:
                return original(*arguments)
            finally:
                setattr(self, total, getattr(self, total) + time.perf_counter() - started)

        monkeypatch.setattr(owner, method, timed)


def test_unit_tier_around_the_optimizer(benchmark, pytester, monkeypatch):
    """A whole session of the unit tier with AdamW and 32 seeds: how much of it is neither optimizer nor tensors."""
    clock = Clock(monkeypatch)
    arguments = [
        "--optbench",
        "--optbench-layer=tasks",
        "--optbench-tier=unit",
        "--optbench-optimizer=torch.optim:AdamW(lr=0.05)",
    ]
    arguments += ["--optbench-csv=runs.csv", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    if benchmark.disabled:
        arguments += ["--optbench-seeds=2", "--optbench-tasks=quartic_saddle"]
    started = time.perf_counter()
    result = benchmark.pedantic(pytester.runpytest_inprocess, arguments, rounds=1)
    total = time.perf_counter() - started
    benchmark.extra_info["optimizer.step"] = clock.steps / total
    benchmark.extra_info["gradients and evaluations"] = clock.tensors / total
    benchmark.extra_info["rest of the engine"] = (clock.cases - clock.steps - clock.tensors) / total
    benchmark.extra_info["collection, verdicts, reports"] = (total - clock.cases) / total
    assert result.parseoutcomes().keys() & {"passed", "failed"}
    assert clock.steps > 0
