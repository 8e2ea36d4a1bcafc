"""Admission of many tasks, whatever they do."""

from __future__ import annotations

import sys

import pytest

from pytest_optbench.machine.admission import Grid
from pytest_optbench.machine.admitting import Admitting, findings_of
from pytest_optbench.machine.tasks.registry import all_tasks

GRID = Grid(controls=2, reference=2, knobs=2)
MODULE = """
import multiprocessing
import os
from pytest_optbench.tasks import ExactTask, Threshold
import torch

class Good(ExactTask):
    name = "own_good"
    source = "tests"
    horizon = 60
    threshold = Threshold(target=1e-2, budget=60, reference="SGD(lr=0.1)")
    def initial(self, streams, constants):
        return {"x": 2 + 0.1 * torch.randn(3, generator=streams.init)}
    def value(self, parameters, constants):
        return parameters["x"].square().sum()

class Open(Good):
    name = "own_open"
    threshold = None

class Raises(Good):
    name = "own_raises"
    def value(self, parameters, constants):
        raise ArithmeticError("no value")

class Dies(Good):
    name = "own_dies"
    def initial(self, streams, constants):
        if multiprocessing.parent_process() is not None:
            os._exit(7)
"""


@pytest.fixture
def found(tmp_path, monkeypatch):
    (tmp_path / "own_tasks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield all_tasks(["own_tasks"])
    sys.modules.pop("own_tasks", None)


def test_without_a_threshold_the_rules_are_asked_that_need_none(found):
    findings = {one.rule: one for one in findings_of(found["own_open"], GRID)}
    assert list(findings) == ["threshold", "gradient", "unknown_key"]
    assert [one.passed for one in findings.values()] == [False, True, True]
    assert "optbench calibrate own_tasks:Open --out DIR" in findings["threshold"].sentence


def test_what_a_task_raises_is_a_finding(found):
    (only,) = findings_of(found["own_raises"], GRID)
    assert (only.rule, only.passed, only.sentence) == ("run", False, "ArithmeticError: no value")


@pytest.mark.full
def test_two_processes_find_what_one_finds_and_survive_one_another(found, tmp_path):
    tasks = [found[name] for name in ("own_good", "own_dies", "own_open")]
    said = []
    admitting = Admitting(tasks=tasks, grid=GRID, modules=["own_tasks"], root=tmp_path, jobs=2)
    answers = dict(admitting.run(said.append))
    assert answers["own_good"] == findings_of(found["own_good"], GRID)
    assert answers["own_open"] == findings_of(found["own_open"], GRID)
    (lost,) = answers["own_dies"]
    assert (lost.rule, lost.sentence) == ("run", "its process ended with exit code 7")
    assert [line.split()[0] for line in said] == ["[1/3", "[2/3", "[3/3"]
    assert sum(line.endswith(": admitted") for line in said) == 1
