"""Tuning: what is tried, what goes on, what is chosen; the same in every mode."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch.optim import LBFGS, SGD, AdamW

from pytest_optbench.machine import tuning
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.recipe import Recipe, declared, validate
from pytest_optbench.machine.search import LEARNING_RATES, chosen, open_search
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tuning import TUNING_SEEDS, TunedRun, tune
from pytest_optbench.words.threshold import Threshold


class Bowl(ExactTask):
    """f(x) = ½ ‖x - 1‖²."""

    name: ClassVar[str] = "bowl"
    source: ClassVar[str] = "tests"
    horizon: ClassVar[int] = 50

    def initial(self, streams, constants):
        return {"x": 0.1 * normal(streams.init, 3)}

    def value(self, parameters, constants):
        return 0.5 * (parameters["x"] - 1).square().sum()


class Draws(SGD):
    def step(self, closure=None):
        super().step()
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter.add_(torch.randn_like(parameter), alpha=1e-3)


class Norm(SGD):
    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        super().step()


def recipe(optimizer=SGD, **options):
    return Recipe(name="Mine", optimizer=optimizer, where="tests", **options)


def tuned(one, task=None, target=1e-4, budget=80, **options):
    return tune(one, validate(one), task or Bowl(), Threshold(target, budget), **options)


def rates(runs):
    return [json.loads(run.hyperparameters)["lr"] for run in runs]


def test_the_default_grid_runs_on_the_tuning_seeds():
    found = tuned(recipe()).runs
    assert [*dict.fromkeys(rates(found))] == list(LEARNING_RATES)
    assert [run.seed for run in found] == [*TUNING_SEEDS] * len(LEARNING_RATES)
    assert {(run.trial, run.regime) for run in found} == {(1, "tuned")}


def test_tuning_seeds_are_no_scoring_seeds():
    assert min(TUNING_SEEDS) >= 1_000_000


def test_the_fastest_learning_rate_is_chosen():
    assert tuned(recipe()).recipe.hyperparameters == {"lr": 1.0}
    assert tuned(recipe(), target=-math.inf).recipe.hyperparameters == {"lr": 1.0}


def test_what_is_fixed_stays():
    found = tuned(recipe(hyperparameters={"momentum": 0.5}))
    assert found.recipe.hyperparameters["momentum"] == 0.5
    assert found.recipe.tuned == ("lr",)
    assert found.recipe.regime == "tuned"


def test_half_of_the_values_go_on_after_each_rung():
    found = tuned(recipe(), target=-math.inf).runs
    granted = {rate: run.budget for rate, run in zip(rates(found), found, strict=True)}
    assert sorted(granted.values()) == [20] * 6 + [40] * 3 + [80] * 4
    assert granted[1e-5] == granted[10.0] == 20
    assert granted[1.0] == 80


def test_one_value_is_run_as_it_is():
    found = tuned(recipe(search={"lr": {"values": [0.1]}}))
    assert found.recipe.hyperparameters == {"lr": 0.1}
    assert len(found.runs) == 3


def test_tuning_ends_when_a_value_has_reached_the_target_on_every_seed():
    found = tuned(recipe()).runs
    best = [run for run in found if json.loads(run.hyperparameters)["lr"] == 1.0]
    assert {run.outcome for run in best} == {"reached"}
    assert max(run.budget for run in found) == max(run.steps_to_target for run in best) + 1


def test_the_slowest_seed_decides_not_the_median_one():
    class Edge(SGD):
        """At lr 1 it is done at once on two seeds, and never on the third."""

        def step(self, closure=None):
            group = self.param_groups[0]
            (weights,) = group["params"]
            if group["lr"] > 0.5:
                with torch.no_grad():
                    weights.copy_(torch.where(weights.sum(-1, keepdim=True) < LAST, torch.ones_like(weights), weights))
            else:
                super().step()

    starts = sorted(Bowl().initial(streams(seed), {})["x"].sum().item() for seed in TUNING_SEEDS)
    LAST = (starts[1] + starts[2]) / 2
    found = tuned(recipe(Edge, search={"lr": {"values": [1.0, 0.3]}}), engine="lockstep")
    assert found.recipe.hyperparameters == {"lr": 0.3}
    reached = [run.outcome for run in found.runs if json.loads(run.hyperparameters)["lr"] == 1.0]
    assert reached.count("reached") == 2


def streams(seed):
    return Streams(Bowl.name, 1, seed)


def test_without_any_success_the_best_value_is_chosen():
    assert tuned(recipe(), target=-1.0).recipe.hyperparameters == {"lr": 1.0}


def test_values_that_diverge_come_last():
    found = tuned(recipe(search={"lr": {"values": [5.0, 1e-5]}}), target=-1.0)
    assert found.recipe.hyperparameters == {"lr": 1e-5}
    assert "diverged" in {run.outcome for run in found.runs}


def test_several_hyperparameters_span_a_grid():
    search = {"lr": {"values": [0.1, 1.0]}, "momentum": {"values": [0.0, 0.9]}}
    found = tuned(recipe(search=search))
    assert len(found.runs) == 4 * 3
    assert found.recipe.hyperparameters == {"lr": 1.0, "momentum": 0.0}


@pytest.mark.parametrize("optimizer", [SGD, AdamW, Norm, Draws], ids=lambda one: one.__name__)
def test_modes_choose_the_same_by_the_same_trials(optimizer):
    found = [tuned(recipe(optimizer), engine=engine) for engine in ("auto", "lockstep", "sequential")]
    assert len({one.recipe.hyperparameters_json for one in found}) == 1
    shas = [[run.trajectory_sha for run in one.runs] for one in found]
    assert shas[0] == shas[1] == shas[2]
    assert {run.engine for run in found[0].runs} == {"stacked" if optimizer in (SGD, AdamW) else "lockstep"}


def test_optimizers_with_closures_are_tuned_too():
    found = tuned(recipe(LBFGS, hyperparameters={"max_iter": 1}))
    assert found.recipe.hyperparameters == {"max_iter": 1, "lr": 1.0}
    assert {run.engine for run in found.runs} == {"sequential"}


def test_a_value_at_which_the_optimizer_raises_is_not_chosen():
    class Fragile(SGD):
        def step(self, closure=None):
            if self.param_groups[0]["lr"] == 1.0:
                raise ValueError("too fast")
            super().step()

    found = tuned(recipe(Fragile))
    assert found.recipe.hyperparameters == {"lr": 0.316}
    assert {run.outcome for run, lr in zip(found.runs, rates(found.runs), strict=True) if lr == 1.0} == {"crashed"}


def test_an_optimizer_that_always_raises_still_gets_a_value():
    class Broken(SGD):
        def step(self, closure=None):
            raise ValueError("no")

    assert tuned(recipe(Broken)).recipe.hyperparameters["lr"] in LEARNING_RATES


def case(one, **options):
    return Case(
        recipe=one,
        capabilities=validate(one),
        task=Bowl(),
        threshold=Threshold(1e-4, 80),
        seeds=tuple(range(6)),
        search=open_search(one),
        **options,
    )


def test_a_run_tunes_and_then_judges():
    run = TunedRun(case(recipe()))
    run.run()
    assert run.values == {"lr": 1.0}
    assert {(row.outcome, row.hyperparameters, row.trial) for row in run.rows()} == {("reached", '{"lr": 1.0}', 0)}
    assert len(run.trials) == 3 * 13


def test_known_values_are_not_tuned_again():
    run = TunedRun(case(recipe()), known={"lr": 0.1})
    run.run()
    assert run.trials == ()
    assert {(row.hyperparameters, row.regime) for row in run.rows()} == {('{"lr": 0.1}', "tuned")}


class Late(SGD):
    """Couples everything by a norm after the few steps that a probe takes."""

    def step(self, closure=None):
        self.count = getattr(self, "count", 0) + 1
        if self.count > 5:
            torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1e-1)
        super().step()


def test_trials_are_run_again_in_lockstep_when_a_shadow_refutes_the_stack():
    one = recipe(Late, search={"lr": {"values": [0.1, 0.3]}})
    found = [TunedRun(case(one)), TunedRun(case(one, engine="lockstep"))]
    for run in found:
        run.run()
    assert found[0].refusal.startswith("shadow: ")
    assert {trial.engine for trial in found[0].trials} == {"lockstep"}
    for rows in ([run.rows() for run in found], [run.trials for run in found]):
        assert [row.trajectory_sha for row in rows[0]] == [row.trajectory_sha for row in rows[1]]


def test_a_hang_in_tuning_ends_with_the_time_limit():
    class Hangs(SGD):
        def step(self, closure=None):
            while True:
                pass

    one = recipe(Hangs)
    run = TunedRun(
        Case(
            recipe=one,
            capabilities=declared(one),
            task=Bowl(),
            threshold=Threshold(1e-4, 80),
            seeds=(0, 1),
            search=open_search(one),
            timeout=0.5,
        )
    )
    run.run()
    assert run.timed_out
    assert {row.outcome for row in run.rows()} == {"timeout"}


def test_what_was_judged_at_a_refuted_value_is_judged_anew(monkeypatch):
    def other_first(one, *arguments, engine, **options):
        """What stacked trials of some optimizer might come to: another value than those in lockstep."""
        found = tune(one, *arguments, engine=engine, **options)
        return found if engine == "lockstep" else replace(found, recipe=chosen(one, {"lr": 0.1}))

    monkeypatch.setattr(tuning, "tune", other_first)
    run = TunedRun(case(recipe(Late, search={"lr": {"values": [0.1, 0.3]}})))
    run.run()
    assert run.values == {"lr": 0.3}
    assert {row.hyperparameters for row in run.rows()} == {'{"lr": 0.3}'}
