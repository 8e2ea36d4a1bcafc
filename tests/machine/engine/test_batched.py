"""Batched functions: one call for all lanes, with the values of one call per lane."""

from __future__ import annotations

import pytest
import torch
from harness import Prompt, Rich, Unbatchable, batch_of

from pytest_optbench.machine.engine import batched as module
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.tasks.task import Task, instance


def stack(parts):
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def arguments(task, seeds=(0, 1, 2)):
    """Parameters, constants, batch and memory of some seeds, stacked."""
    instances = [instance(task, seed) for seed in seeds]
    batches = [batch_of(task, seed, 5, constants) for seed, (constants, _) in zip(seeds, instances, strict=True)]
    memories = [task.memory(parameters, constants) for constants, parameters in instances]
    return (
        stack([parameters for _, parameters in instances]),
        stack([constants for constants, _ in instances]),
        stack(batches),
        stack(memories),
    )


@pytest.mark.parametrize("task", [Rich(), Unbatchable()], ids=["batched", "one by one"])
@pytest.mark.parametrize("calls", [1, 2], ids=["first call", "replayed"])
def test_every_lane_gets_its_own_loss_gradient_and_memory(task, calls):
    parameters, constants, batch, memory = arguments(task)
    functions = Batched(task)
    for _ in range(calls):
        value, gradient, new = functions.value_and_gradient(parameters, constants, batch, memory)
    for lane in range(3):
        own = [{name: tensor[lane] for name, tensor in one.items()} for one in (parameters, constants, batch, memory)]
        expected_value, expected = task.gradient(*own[:3])
        expected, expected_memory = task.transform(expected, *own)
        torch.testing.assert_close(value[lane], expected_value)
        torch.testing.assert_close({name: tensor[lane] for name, tensor in gradient.items()}, expected)
        torch.testing.assert_close({name: tensor[lane] for name, tensor in new.items()}, expected_memory)


def test_gradient_alone_has_the_bits_of_gradient_with_value():
    functions, given = Batched(Rich()), arguments(Rich())
    _, gradient, memory = functions.value_and_gradient(*given)
    torch.testing.assert_close(functions.gradient(*given), (gradient, memory), rtol=0, atol=0)


def test_a_replay_follows_its_inputs():
    functions, (parameters, constants, batch, memory) = Batched(Prompt()), arguments(Prompt())
    first, _ = functions.gradient(parameters, constants, batch, memory)
    moved = {**parameters, "x": parameters["x"] + 1}
    second, _ = functions.gradient(moved, constants, batch, memory)
    torch.testing.assert_close(second["x"] - first["x"], constants["curvatures"], rtol=1e-4, atol=1e-4)


def test_the_step_of_an_evaluation_reaches_every_lane():
    class Timed(Prompt):
        def evaluate(self, parameters, constants, step):
            return step + 0 * parameters["x"].sum()

    parameters, constants, *_ = arguments(Timed())
    functions = Batched(Timed())
    for step in (0.0, 7.0):
        assert functions.evaluate(parameters, constants, torch.tensor(step)).tolist() == [step] * 3


@pytest.mark.parametrize("task", [Rich(), Unbatchable()], ids=["batched", "one by one"])
def test_metrics_of_every_lane(task):
    parameters, constants, *_ = arguments(task)
    expected = (parameters["x"] - constants["centre"]).norm(dim=1)
    torch.testing.assert_close(Batched(task).metrics(parameters, constants), {"distance": expected})


def test_no_metrics_without_the_method():
    class Plain(Prompt):
        metrics = Task.metrics

    parameters, constants, *_ = arguments(Plain())
    assert Batched(Plain()).metrics(parameters, constants) == {}


def test_a_function_is_traced_once_for_each_number_of_lanes(monkeypatch):
    counted = []
    original = module.traced
    monkeypatch.setattr(module, "traced", lambda function, inputs: counted.append(1) or original(function, inputs))
    functions = Batched(Prompt())
    for seeds in ((0, 1), (2, 3), (0, 1, 2), (3, 4)):
        functions.gradient(*arguments(Prompt(), seeds))
    assert len(counted) == 2


def test_what_cannot_be_traced_runs_untraced(monkeypatch):
    given = arguments(Rich())
    expected = Batched(Rich()).gradient(*given)
    monkeypatch.setattr(module, "traced", lambda function, inputs: None)
    torch.testing.assert_close(Batched(Rich()).gradient(*given), expected, rtol=0, atol=0)
