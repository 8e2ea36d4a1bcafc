"""A case: how it is run, and the rows that come of it."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from harness import SEEDS, Odd, Prompt, Rich, Unbatchable, make_case, run
from torch.optim import LBFGS, SGD, AdamW

from pytest_optbench import SUITE_VERSION
from pytest_optbench.machine.engine.case import CaseRun, batched_for, blank_row
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.run import COLUMNS


@pytest.mark.parametrize(
    ("task", "optimizer", "engine", "mode", "size"),
    [
        (Rich(), SGD, "auto", "stacked", 8),
        (Rich(), SGD, "stacked", "stacked", 8),
        (Rich(), SGD, "lockstep", "lockstep", 8),
        (Rich(), SGD, "sequential", "sequential", 2),
        (Rich(), LBFGS, "auto", "sequential", 1),
        (Rich(), LBFGS, "lockstep", "sequential", 1),
        (Rich(), LBFGS, "stacked", "sequential", 1),
        (Unbatchable(), SGD, "auto", "sequential", 1),
        (Unbatchable(), SGD, "lockstep", "sequential", 1),
    ],
)
def test_the_mode_is_the_fastest_exact_one(task, optimizer, engine, mode, size):
    case = make_case(task, optimizer, engine=engine)
    assert (case.mode, case.group_size) == (mode, size)


def test_few_seeds_are_not_worth_a_stack():
    assert make_case(Rich(), SGD, engine="auto", seeds=(0, 1, 2)).mode == "lockstep"


def test_traces_are_kept_until_the_next_recipe_comes_to_the_task():
    case = make_case(Rich(), SGD)
    functions = batched_for(case)
    for task in BUILTIN:
        batched_for(dataclasses.replace(case, task=task))
    assert batched_for(case) is functions


class Turned(Task):
    """A bowl whose parameter is laid out as the transpose of a matrix."""

    name = "turned"
    source = "tests"

    def initial(self, streams, constants):
        return {"x": torch.arange(1.0, 7.0).view(2, 3).T}

    def loss(self, parameters, constants, batch):
        return parameters["x"].square().sum()

    def evaluate(self, parameters, constants, step):
        return parameters["x"].square().sum()


class Flattening(SGD):
    """Takes views of what it is given."""

    def step(self, closure=None):
        for parameter in self.param_groups[0]["params"]:
            parameter.data.view(-1).sub_(parameter.grad.view(-1), alpha=0.1)


@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
def test_an_optimizer_may_take_views_of_parameters_and_gradients(engine):
    case = CaseRun(make_case(Turned(), Flattening, engine=engine, seeds=(0, 1), target=50.0))
    case.run()
    assert [row.outcome for row in case.rows()] == ["reached", "reached"]


def test_rows_come_in_the_order_of_the_seeds():
    case = CaseRun(make_case(Rich(), Odd, seeds=(5, 1, 3)))
    case.run()
    assert [row.seed for row in case.rows()] == [5, 1, 3]


def test_a_row_says_what_was_run():
    case = CaseRun(make_case(Rich(), AdamW, hyperparameters={"lr": 0.1, "betas": (0.8, 0.9)}, target=0.5))
    case.run()
    row = case.rows()[0]
    found = {name: getattr(row, name) for name in COLUMNS}
    expected = {
        "suite": f"optbench-{SUITE_VERSION}",
        "task": "rich",
        "task_version": 1,
        "tier": "unit",
        "recipe": "odd",
        "optimizer": "torch.optim.adamw:AdamW",
        "optimizer_version": torch.__version__,
        "regime": "fixed",
        "hyperparameters": '{"betas": [0.8, 0.9], "lr": 0.1}',
        "budget": 10,
        "eval_every": 1,
        "optimum": None,
        "target": 0.5,
        "engine": "lockstep",
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "torch": torch.__version__,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("optimizer", "hyperparameters", "slots"),
    [(SGD, {"lr": 0.1}, 0), (SGD, {"lr": 0.1, "momentum": 0.9}, 1), (AdamW, {}, 2), (AdamW, {"amsgrad": True}, 3)],
)
def test_state_is_measured_in_bytes_per_parameter(optimizer, hyperparameters, slots):
    counters = 2 * 4 if optimizer is AdamW else 0
    row = run(Rich(), optimizer, hyperparameters=hyperparameters)[0]
    assert row.state_bytes_per_param == pytest.approx((4 * slots * 5 + counters) / 5)


def test_state_that_is_shared_or_nested_counts_once():
    class Nested(Odd):
        def move(self, parameter, lr):
            super().move(parameter, lr)
            buffer = torch.zeros(6)
            self.state[parameter] = {"list": [buffer, {"again": buffer}], "count": 3}

    assert run(Rich(), Nested)[0].state_bytes_per_param == pytest.approx(2 * 6 * 4 / 5)


@pytest.mark.parametrize(
    ("optimizer", "hyperparameters", "evaluations"),
    [(SGD, {"lr": 0.1}, None), (LBFGS, {"max_iter": 1, "lr": 0.1}, 1.0)],
)
def test_evaluations_are_counted_for_closures_alone(optimizer, hyperparameters, evaluations):
    assert run(Prompt(), optimizer, hyperparameters=hyperparameters)[0].evaluations == evaluations


def test_a_second_gradient_per_step_is_counted():
    class Twice(Odd):
        def step(self, closure):
            closure()
            closure()
            super().step()

    assert run(Prompt(), Twice)[0].evaluations == 2.0


@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
def test_metrics_belong_to_the_weights_that_ended_the_record(engine):
    class Known(Prompt):
        def value(self, parameters, constants):
            return 0.5 * (parameters["x"] - constants["centre"]).square().sum()

    rows = run(Known(), Odd, budget=150, target=1e-2, engine=engine)
    assert len({row.steps_to_target for row in rows.values()}) > 4
    for row in rows.values():
        assert 0.5 * json.loads(row.metrics)["distance"] ** 2 == pytest.approx(row.final, rel=1e-5)


def test_a_task_without_metrics_has_none():
    class Plain(Prompt):
        metrics = Task.metrics

    assert run(Plain(), Odd)[0].metrics == "{}"


def test_progress_is_told_after_every_evaluation():
    told = []
    case = CaseRun(make_case(Rich(), Odd, budget=3), lambda step, lanes: told.append((step, len(lanes))))
    case.run()
    assert told == [(step, 8) for step in range(4)]


def test_progress_counts_the_lanes_that_are_done():
    told = []
    case = CaseRun(make_case(Rich(), Odd, budget=1, engine="sequential"), lambda step, lanes: told.append(len(lanes)))
    case.run()
    assert told == [2, 2, 4, 4, 6, 6, 8, 8]


def test_seeds_that_never_ran_have_a_row_too():
    rows = CaseRun(make_case(Rich(), Odd)).rows(unfinished="crashed")
    assert [(row.seed, row.outcome, row.initial) for row in rows] == [(seed, "crashed", None) for seed in SEEDS]


def test_parameters_can_be_in_another_precision():
    class Looks(Odd):
        def misbehave(self):
            assert self.weights.dtype == torch.float64
            assert self.weights.grad.dtype == torch.float64

    double, single = run(Rich(), Looks, dtype=torch.float64)[0], run(Rich(), Odd)[0]
    assert double.outcome == "missed"
    assert double.dtype == "float64"
    assert double.final == pytest.approx(single.final, rel=1e-5)
    assert double.trajectory_sha != single.trajectory_sha


def test_the_optimizer_sees_leaf_parameters_in_the_order_of_the_task():
    class Looks(Odd):
        def __init__(self, params, lr=0.1):
            params = list(params)
            if len(params) > 1:
                assert [tuple(p.shape) for p in params] == [(4,), (1,)]
            assert all(isinstance(p, torch.nn.Parameter) and p.is_leaf and p.requires_grad for p in params)
            super().__init__(params, lr)

    assert {row.outcome for row in run(Rich(), Looks).values()} == {"missed"}


def test_a_window_averages_before_it_judges():
    class Averaged(Prompt):
        window = 3

    plain, averaged = (json.loads(run(task, Odd, budget=5)[0].curve) for task in (Prompt(), Averaged()))
    assert averaged[-1][1] == pytest.approx(sum(value for _, value in plain[-3:]) / 3)


def test_the_target_is_reached_within_the_budget_or_not_at_all():
    steps = run(Prompt(), Odd, budget=150, target=1e-2)[3].steps_to_target
    # Two evaluations in a row decide, so the budget must hold one more than the steps to the first.
    just, short = (run(Prompt(), Odd, budget=budget, target=1e-2)[3] for budget in (steps + 1, steps))
    assert (just.outcome, just.steps_to_target) == ("reached", steps)
    assert (short.outcome, short.steps_to_target) == ("missed", None)


def test_an_unreachable_target_is_missed_and_not_reached_by_nan():
    class Empty(Odd):
        def misbehave(self):
            self.weights.data.fill_(math.nan)

    assert {row.outcome for row in run(Prompt(), Empty, target=math.inf, budget=1).values()} == {"diverged"}


def test_a_case_is_a_value():
    case = make_case(Rich(), Odd)
    assert dataclasses.replace(case, seeds=(1, 2)).seeds == (1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        case.seeds = ()


def test_a_plain_gradient_is_timed_beside_the_case():
    assert all(row.gradient_ms > 0 for row in run(Rich(), Odd).values())


def test_a_loss_without_a_graph_costs_its_timing_and_nothing_else():
    class Flat(Prompt):
        def value(self, parameters, constants):
            return (parameters["x"] > 0).sum().to(torch.float32)

    assert {row.gradient_ms for row in run(Flat(), Odd).values()} == {None}


def test_the_row_of_a_run_that_died_says_that_it_was_to_be_tuned():
    case = make_case(Rich(), AdamW, search={"lr": (0.1, 0.2)})
    assert blank_row(case, 0).regime == "tuned"
