"""Trials: many recipes at once, each with the curve that it would have alone."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from torch.optim import SGD

from pytest_optbench.machine import trials as trials_module
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.stack import Stack
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.trials import Trial, run_trials


class Bowl(ExactTask):
    """f(x) = ½ ‖x‖²."""

    name: ClassVar[str] = "bowl"
    source: ClassVar[str] = "tests"
    horizon: ClassVar[int] = 50

    def initial(self, streams, constants):
        return {"x": 1 + 0.1 * normal(streams.init, 3)}

    def value(self, parameters, constants):
        return 0.5 * parameters["x"].square().sum()


class Raises(SGD):
    def step(self, closure=None):
        raise ArithmeticError("no")


def sgd(lr, optimizer=SGD):
    return Recipe(name="SGD", optimizer=optimizer, where="tests", hyperparameters={"lr": lr})


def trials(recipes, seeds, **options):
    lanes = [(recipe, validate(recipe), seed) for recipe in recipes for seed in seeds]
    with isolated(), torch.no_grad():
        return run_trials(Batched(Bowl()), lanes, **{"budget": 20, "eval_every": 2, **options})


def trial(*values):
    return Trial(sgd(0.1), 0, tuple(range(0, 10 * len(values), 10)), values)


@pytest.mark.parametrize(
    ("values", "target", "budget", "steps"),
    [
        ((3.0, 2.0, 1.0, 1.0), 1.0, 30, 20),
        ((3.0, 2.0, 1.0, 1.0), 1.0, 29, math.inf),
        ((3.0, 1.0, 2.0, 1.0, 0.5), 1.0, 100, 30),
        ((1.0, 1.0), 1.0, 100, 0),
        ((3.0, 1.0), 1.0, 100, math.inf),
        ((3.0, math.nan, 1.0, 1.0), 1.0, 100, 20),
        ((math.nan, math.nan), math.inf, 100, math.inf),
        ((3.0, 1.0, math.nan), 1.0, 100, math.inf),
    ],
)
def test_steps_to_a_target_end_at_the_first_of_two_evaluations(values, target, budget, steps):
    assert trial(*values).steps_to(target, budget) == steps


@pytest.mark.parametrize(
    ("values", "best"), [((3.0, 1.0, 2.0), 1.0), ((3.0, math.nan), 3.0), ((math.inf, -math.inf), math.inf)]
)
def test_the_best_is_the_least_finite_value(values, best):
    assert trial(*values).best == best


def test_trials_come_in_the_order_of_their_lanes():
    recipes = [sgd(0.5), sgd(0.1)]
    found = trials(recipes, (3, 1))
    assert [(one.recipe, one.seed) for one in found] == [(recipe, seed) for recipe in recipes for seed in (3, 1)]


def test_a_trial_is_the_same_among_others():
    assert trials([sgd(0.1), sgd(0.5)], (0, 1, 2))[4] == trials([sgd(0.5)], (1,))[0]


def test_a_curve_covers_the_budget_on_its_schedule():
    assert trials([sgd(0.1)], (0, 1))[0].steps == tuple(range(0, 21, 2))


def test_a_curve_ends_at_the_target():
    found = trials([sgd(0.5)], (0, 1), target=0.1)[0]
    assert found.steps == (0, 2, 4)
    assert found.steps_to(0.1, 20) == 2


def test_what_an_optimizer_raises_comes_out():
    recipe = sgd(0.1, Raises)
    with pytest.raises(ArithmeticError):
        trials([recipe], (0, 1))


@pytest.mark.parametrize("late", [False, True])
def test_trials_of_one_recipe_are_stacked_where_that_is_exact(late, monkeypatch):
    class Clips(SGD):
        def step(self, closure=None):
            self.count = getattr(self, "count", 0) + 1
            if late and self.count > 5:
                torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1e-2)
            return super().step()

    made = []
    monkeypatch.setattr(trials_module, "Stack", lambda lanes: made.append(len(lanes)) or Stack(lanes))
    seeds = tuple(range(6))
    found = trials([sgd(0.1, Clips), sgd(0.2, Clips)], seeds)
    assert made == [6, 6]
    monkeypatch.setattr(trials_module, "LEAST_STACK", 100)
    assert found == trials([one.recipe for one in found[::6]], seeds)
