"""Trials: recipes of many kinds on many seeds of one task, all on shared gradients, and the curves that come of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.case import LEAST_STACK, alone
from pytest_optbench.machine.engine.crew import Crew, Separate
from pytest_optbench.machine.engine.group import Group, Placement
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.engine.probe import admit
from pytest_optbench.machine.engine.stack import NotElementwise, Stack
from pytest_optbench.machine.recipe import Capabilities, Recipe
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.record import Record

_PLACEMENT = Placement(torch.device("cpu"), torch.float32)


@dataclass(frozen=True)
class Trial:
    """The evaluation curve of one recipe for one seed."""

    recipe: Recipe
    seed: int
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def steps_to(self, target: float, budget: int) -> float:
        """Steps to the first of two consecutive evaluations at or below the target within the budget, or infinity."""
        points = list(zip(self.steps, self.values, strict=True))
        for (step, value), (later, following) in itertools.pairwise(points):
            if value <= target and following <= target and later <= budget:
                return float(step)
        return math.inf

    @property
    def best(self) -> float:
        return min((value for value in self.values if math.isfinite(value)), default=math.inf)


def _crews(lanes: Sequence[Lane], task: Task, budget: int) -> list[Crew]:
    """A stack for every recipe that allows one; `lanes` of one recipe are next to each other."""
    crews: list[Crew] = []
    for _, group in itertools.groupby(lanes, key=lambda lane: id(lane.recipe)):
        some = list(group)
        first = some[0]
        try:
            if alone(first.capabilities, task) or len(some) < LEAST_STACK:
                raise NotElementwise
            admit(first.recipe, first.capabilities, task, len(some), budget, _PLACEMENT)
        except NotElementwise:
            crews.append(Separate(some))
        else:
            crews.append(Stack(some))
    return crews


def run_trials(
    batched: Batched,
    lanes: Sequence[tuple[Recipe, Capabilities, int]],
    *,
    budget: int,
    eval_every: int,
    target: float = -math.inf,
    own_random: bool = False,
) -> list[Trial]:
    """One trial for every (recipe, its capabilities, seed), in their order; what an optimizer raises is raised.

    A curve ends with the budget, or where the gate would end it: at the target, or when it diverges. To be called
    inside `isolated()` and without gradients. `own_random` is for recipes that draw random numbers.
    """
    task = batched.task

    def fresh() -> list[Lane]:
        return [
            Lane(
                seed, recipe, capabilities, Record(target, budget, eval_every, optimum=task.optimum, window=task.window)
            )
            for recipe, capabilities, seed in lanes
        ]

    running = fresh()
    try:
        crews = [Separate(running)] if own_random else _crews(running, task, budget)
        Group(task, batched, crews, _PLACEMENT, own_random=own_random).run()
    except NotElementwise:
        running = fresh()
        Group(task, batched, [Separate(running)], _PLACEMENT).run()
    for lane in running:
        if lane.instance.crash is not None:
            raise lane.instance.crash
    return [Trial(lane.recipe, lane.seed, tuple(lane.record.steps), tuple(lane.record.values)) for lane in running]
