"""A trajectory: where one seed of a recipe is after every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.crew import Separate
from pytest_optbench.machine.engine.group import Group, Placement
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.recipe import Recipe, probed, validate
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.record import Record
from pytest_optbench.words.threshold import Threshold


@dataclass(frozen=True)
class Trajectory:
    """Parameters and evaluations, from before the first step on; each has one entry more than there are steps."""

    parameters: tuple[Tensors, ...]
    values: tuple[float, ...]
    steps_to_target: int | None


def trajectory(task: Task, recipe: Recipe, *, seed: int, threshold: Threshold) -> Trajectory:
    """Run one seed up to where the gate would call it reached, or for the whole budget, or until it diverges.

    Raises what the optimizer raises.
    """
    capabilities = probed(recipe, validate(recipe))
    every_step = Record(float("-inf"), threshold.budget, eval_every=1, optimum=task.optimum)
    # The gate does not look after every step.
    judge = Record(threshold.target, threshold.budget, threshold.eval_every, optimum=task.optimum, window=task.window)
    lane = Lane(seed, recipe, capabilities, every_step)
    crew = Separate([lane])
    found = []
    with isolated(), torch.no_grad():
        group = Group(task, Batched(task), [crew], Placement(torch.device("cpu"), torch.float32))
        for step in group.evaluations():
            found.append({name: tensor[0] for name, tensor in crew.parameters([0]).items()})
            if step % threshold.eval_every == 0:
                judge.feed(step, every_step.values[-1])
                lane.dropped = judge.finished
    if lane.instance.crash is not None:
        raise lane.instance.crash
    length = len(found) if judge.steps_to_target is None else judge.steps_to_target + 1
    return Trajectory(tuple(found[:length]), tuple(every_step.values[:length]), judge.steps_to_target)
