"""The larger tasks: no part of the suite, and problems that an optimizer solves better than by guessing."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks import BUILTIN, CATALOGUE, TAGS
from pytest_optbench.machine.tasks.batching import LANES, refusal
from pytest_optbench.machine.tasks.larger import LARGER
from pytest_optbench.machine.tasks.registry import all_tasks, threshold_of
from pytest_optbench.machine.tasks.task import instance
from pytest_optbench.words.threshold import Threshold

every_task = pytest.mark.parametrize("task", LARGER, ids=lambda task: task.name)
MODULE = "pytest_optbench.machine.tasks.larger"


def lane(task, seed):
    constants, parameters = instance(task, seed)
    batch = task.batches(Streams(task.name, task.version, seed, block=0), 0, 1, constants)
    return parameters, constants, {name: tensor[0] for name, tensor in batch.items()}


def test_there_are_six_and_none_is_part_of_the_suite():
    assert len(LARGER) == 6
    assert {task.name for task in LARGER}.isdisjoint(task.name for task in (*BUILTIN, *CATALOGUE))


def test_they_are_known_where_their_module_is_named():
    known = all_tasks([MODULE])
    assert [name for name in known if name.startswith("larger_")] == [task.name for task in LARGER]
    assert not any(name.startswith("larger_") for name in all_tasks())


@every_task
def test_it_is_chosen_by_name_or_tag_alone(task):
    assert task.tier == "full"
    assert task.tags - TAGS.keys() == {"larger"}
    assert not task.gates


@every_task
def test_it_has_steps_and_no_target(task):
    threshold = threshold_of(task)
    assert threshold.target == -math.inf
    assert threshold.budget == task.horizon


@every_task
def test_seeds_are_batched_to_the_bit(task):
    with torch.no_grad():
        assert refusal(task, [lane(task, seed) for seed in range(max(LANES))]) == ""


@every_task
def test_it_starts_at_guessing_and_a_few_steps_are_better(task):
    recipe = Recipe(name="AdamW", optimizer=torch.optim.AdamW, where="tests", hyperparameters={"lr": 1e-2})
    run = CaseRun(
        Case(
            recipe=recipe,
            capabilities=declared(recipe),
            task=task,
            threshold=Threshold(target=-math.inf, budget=8),
            seeds=(0, 1),
        )
    )
    run.run()
    for row in run.rows():
        assert row.outcome == "missed"
        assert row.best < 0.95 * row.initial


@every_task
def test_its_gradient_is_that_of_its_loss(task):
    parameters, constants, batch = lane(task, 0)
    wide = lambda tensors: {  # noqa: E731
        name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    parameters, constants, batch = wide(parameters), wide(constants), wide(batch)
    _, gradient = task.gradient(parameters, constants, batch)
    generator = torch.Generator().manual_seed(0)
    direction = {name: torch.randn(p.shape, generator=generator).double() for name, p in parameters.items()}
    step = 1e-8  # shorter than the way to the next kink of ReLU
    ahead, behind = (
        task.loss({name: p + sign * step * direction[name] for name, p in parameters.items()}, constants, batch)
        for sign in (1, -1)
    )
    slope = sum((gradient[name] * direction[name]).sum() for name in parameters)
    assert float((ahead - behind) / (2 * step)) == pytest.approx(float(slope), rel=1e-3)
