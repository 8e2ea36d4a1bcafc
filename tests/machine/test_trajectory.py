"""Trajectories and landscapes: what a picture of a task is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from pytest_optbench.machine import landscape as landscape_module
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.landscape import SHOWN, landscape
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import reference_recipe
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.task import instance
from pytest_optbench.machine.trajectory import trajectory
from pytest_optbench.words.baseline import shipped_reference
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold

BY_NAME = {task.name: task for task in BUILTIN}


@dataclass(frozen=True)
class Bowl(ExactTask):
    """f(x, y) = ½ (x - 1)² + ½ (y - 2)², from (3, 3); two parameters of one number each."""

    name: ClassVar[str] = "bowl"
    source: ClassVar[str] = "tests"
    horizon: ClassVar[int] = 100
    threshold: ClassVar[Threshold | None] = Threshold(target=1e-3, budget=60, reference="SGD(lr=0.1)")

    def initial(self, streams, constants):
        return {"x": torch.full((1,), 3.0), "y": torch.tensor(3.0)}

    def value(self, parameters, constants):
        return 0.5 * ((parameters["x"] - 1).square().sum() + (parameters["y"] - 2).square())


@pytest.mark.parametrize(("name", "reference"), [("beale", "SGD"), ("quartic_saddle", "AdamW")])
def test_steps_and_values_are_those_of_the_case(name, reference):
    task = BY_NAME[name]
    row = shipped_reference()[reference, name, task.version]
    recipe = replace(reference_recipe(reference), hyperparameters=json.loads(row.hyperparameters))
    threshold = Threshold(target=row.target, budget=row.budget)
    case = CaseRun(Case(recipe=recipe, capabilities=validate(recipe), task=task, threshold=threshold, seeds=(3,)))
    case.run()
    (run,) = case.rows()
    found = trajectory(task, recipe, seed=3, threshold=threshold)
    assert found.steps_to_target == run.steps_to_target
    assert found.values[0] == run.initial
    assert len(found.values) == len(found.parameters) == run.steps_to_target + 1
    assert found.values[-1] <= row.target


def test_every_step_is_one_of_the_optimizer():
    found = trajectory(Bowl(), reference_recipe("SGD", 0.1), seed=0, threshold=Bowl.threshold)
    assert [float(one["x"]) - 1 for one in found.parameters[:3]] == pytest.approx([2, 1.8, 1.62])
    assert [float(one["y"]) - 2 for one in found.parameters[:3]] == pytest.approx([1, 0.9, 0.81])


def test_what_diverges_ends_there_and_has_no_steps():
    found = trajectory(Bowl(), reference_recipe("SGD", 30.0), seed=0, threshold=Bowl.threshold)
    assert found.steps_to_target is None
    assert len(found.values) < 10


def test_what_the_optimizer_raises_is_raised():
    broken = replace(reference_recipe("SGD", 0.1), scheduler=lambda optimizer, budget: Failing())
    with pytest.raises(ArithmeticError, match="in the schedule"):
        trajectory(Bowl(), broken, seed=0, threshold=Bowl.threshold)


class Failing:
    def step(self):
        raise ArithmeticError("in the schedule")


@pytest.fixture(scope="module")
def saddle():
    return landscape(BY_NAME["quartic_saddle"])


def test_a_landscape_is_the_evaluation_around_start_and_optimum(saddle):
    found = saddle
    x, y = found.xs[5], found.ys[40]
    assert found.heights[40][5] == pytest.approx(x**2 - y**2 + y**4 / 4)
    assert found.axes == ("x[0]", "x[1]")
    assert found.optimum == pytest.approx((0, 2**0.5))
    assert found.least == -1.0
    _, start = instance(BY_NAME["quartic_saddle"], 0)
    assert found.start == tuple(start["x"].tolist())
    for k, places in enumerate((found.xs, found.ys)):
        assert places[0] < min(found.start[k], found.optimum[k]) < max(found.start[k], found.optimum[k]) < places[-1]


def test_the_ways_are_those_of_tuned_references(saddle):
    ways = saddle.ways
    assert [way.name.partition(",")[0] for way in ways] == list(SHOWN)
    assert any(way.steps is not None for way in ways)
    assert all(way.steps is None or len(way.points) == way.steps + 1 for way in ways)


def test_a_task_of_ones_own_is_shown_with_the_reference_of_its_threshold():
    found = landscape(Bowl())
    assert [way.name for way in found.ways] == ["SGD, lr 0.1"]
    assert found.axes == ("x", "y")
    assert found.optimum is None
    assert 0 <= found.least < 1e-3
    assert found.heights[7][9] == pytest.approx(0.5 * ((found.xs[9] - 1) ** 2 + (found.ys[7] - 2) ** 2))


def test_one_that_is_not_batched_is_drawn_all_the_same(monkeypatch):
    monkeypatch.setattr(landscape_module, "_GRID", 9)

    class Alone(Bowl):
        batchable = False

    assert landscape(Alone()).heights == landscape(Bowl()).heights


def test_a_task_of_another_number_of_parameters_makes_no_picture():
    with pytest.raises(OptbenchError, match=r"^task sphere10 has 10 parameters; a picture is drawn of 2$"):
        landscape(BY_NAME["sphere10"])
