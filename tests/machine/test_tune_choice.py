"""Tuning by trials that have no shadows of their own: the choice is that of separate instances, or none is kept."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine import tuning
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.time_limit import TimeLimitExceeded
from pytest_optbench.machine.tuning import TunedRun, tune
from pytest_optbench.words.threshold import Threshold

SPHERE = next(task for task in BUILTIN if task.name == "sphere10")


class Capped(torch.optim.Optimizer):
    """A normalized step whose whole length is at most 1: only a large learning rate comes near."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                square = self.state[parameter].setdefault("square", torch.zeros_like(parameter))
                square.mul_(0.9).addcmul_(parameter.grad, parameter.grad, value=0.1)
                update = group["lr"] * parameter.grad / (square.sqrt() + 1e-8)
                parameter.sub_(update / max(1.0, update.norm().item()))


class Late(torch.optim.SGD):
    """Couples everything by a norm after the few steps that a probe takes."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.count = 0

    def step(self, closure=None):
        self.count += 1
        if self.count > 4:
            torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1e-3)
        super().step()


@pytest.mark.parametrize("target", [1.0, -math.inf])
def test_trials_are_the_same_in_every_mode(target):
    recipe = Recipe(name="capped", optimizer=Capped, where="tests")
    auto, lockstep = (
        tune(recipe, validate(recipe), SPHERE, Threshold(target, 60), engine=engine) for engine in ("auto", "lockstep")
    )
    assert auto.recipe.hyperparameters == lockstep.recipe.hyperparameters
    assert [run.trajectory_sha for run in auto.runs] == [run.trajectory_sha for run in lockstep.runs]


def test_nothing_is_chosen_where_time_runs_out_over_refuted_trials(monkeypatch):
    def hasty(*arguments, engine, **options):
        if engine == "lockstep":
            raise TimeLimitExceeded
        return tune(*arguments, engine=engine, **options)

    monkeypatch.setattr(tuning, "tune", hasty)
    recipe = Recipe(name="late", optimizer=Late, where="tests")
    case = Case(
        recipe=recipe,
        capabilities=validate(recipe),
        task=SPHERE,
        threshold=Threshold(-math.inf, 40),
        seeds=tuple(range(4)),
        search={"lr": (0.1, 0.2)},
    )
    run = TunedRun(case)
    run.run()
    assert run.timed_out
    assert run.values is None
    assert {(row.outcome, row.hyperparameters) for row in run.rows()} == {("timeout", "{}")}
