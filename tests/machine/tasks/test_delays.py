"""Delayed gradients: which one arrives when, and the closed form of what plain descent can stand."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.tasks.delays import DelayedGrad4, DelayedGrad16
from pytest_optbench.words.threshold import Threshold


@pytest.mark.parametrize("task", [DelayedGrad4(), DelayedGrad16(), DelayedGrad4(delay=1)], ids=lambda task: task.delay)
def test_a_gradient_arrives_after_the_delay(task, instance):
    one = instance(task)
    memory = task.memory(one.parameters, one.constants)
    arrived = []
    for step in range(1, 2 * task.delay + 1):
        sent = {"x": torch.full((10,), float(step))}
        received, memory = task.transform(sent, one.parameters, one.constants, {}, memory)
        arrived.append(received["x"])
    first = one.parameters["x"] - one.constants["centre"]
    torch.testing.assert_close(torch.stack(arrived[: task.delay]), first.expand(task.delay, 10))
    assert [one[0].item() for one in arrived[task.delay :]] == [float(step) for step in range(1, task.delay + 1)]


@pytest.mark.parametrize("task", [DelayedGrad4(), DelayedGrad16()], ids=lambda task: task.name)
@pytest.mark.parametrize(("share", "shrinks"), [(0.8, True), (1.2, False)])
def test_plain_descent_is_stable_up_to_the_closed_form(task, share, shrinks):
    rate = share * 2 * math.sin(math.pi / (4 * task.delay + 2))
    recipe = Recipe(name="SGD", optimizer=torch.optim.SGD, where="tests", hyperparameters={"lr": rate})
    case = CaseRun(
        Case(
            recipe=recipe,
            capabilities=validate(recipe),
            task=task,
            threshold=Threshold(-math.inf, 300),
            seeds=(0, 1),
        )
    )
    case.run()
    assert all((row.final < 0.1 * row.initial) == shrinks for row in case.rows())
