"""A task that keeps its parameters in another floating-point type than the case computes in."""

from __future__ import annotations

import pytest
import torch
from harness import SEEDS, Odd, make_case, recipe, run
from torch.optim import SGD, AdamW

from pytest_optbench.machine.engine.case import CaseRun
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.tasks.draws import apart, normal
from pytest_optbench.machine.tasks.task import Task, instance
from pytest_optbench.machine.tuning import tune
from pytest_optbench.words.threshold import Threshold

BF16 = torch.bfloat16
ENGINES = ("stacked", "lockstep", "sequential")


class Coarse(Task):
    """A quadratic in float32, at parameters in bfloat16; 64 of them, as vector kernels round the rest otherwise."""

    name = "coarse"
    source = "tests"
    horizon = 100
    dtype = BF16

    def private(self, streams):
        return {"centre": normal(streams.data, 64)}

    def initial(self, streams, constants):
        return {"x": apart(streams.init, 1.0, 2.0, 64)}

    def loss(self, parameters, constants, batch):
        return self.evaluate(parameters, constants, torch.tensor(0.0))

    def evaluate(self, parameters, constants, step):
        assert parameters["x"].dtype == self.dtype
        assert constants["centre"].dtype == torch.float32
        return 0.5 * (parameters["x"].float() - constants["centre"]).square().sum()


class Fine(Coarse):
    """The same at parameters in float32, as the case computes."""

    name = "fine"
    dtype = torch.float32


class RefusesOthers(Odd):
    """Steps parameters and gradients in bfloat16 only."""

    def move(self, parameter, lr):
        if parameter.dtype != BF16 or parameter.grad.dtype != BF16:
            raise TypeError(f"{parameter.dtype} with a gradient in {parameter.grad.dtype}")
        super().move(parameter, lr)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_optimizer_steps_parameters_and_gradients_of_that_type(engine):
    case = CaseRun(make_case(Coarse(), RefusesOthers, engine=engine))
    case.run()
    assert (case.crash, case.mode, case.refusal) == (None, engine, "")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_says_the_type(engine):
    assert {row.dtype for row in run(Coarse(), SGD, engine=engine).values()} == {"bfloat16"}


@pytest.mark.parametrize("optimizer", [SGD, AdamW])
def test_all_modes_have_the_same_bits(optimizer):
    options = {"hyperparameters": {"lr": 0.1}, "budget": 20}
    found = [run(Coarse(), optimizer, engine=engine, **options) for engine in ENGINES]
    assert tuple(rows[SEEDS[0]].engine for rows in found) == ENGINES
    shas = [[row.trajectory_sha for row in rows.values()] for rows in found]
    assert shas[0] == shas[1] == shas[2]


def test_a_run_ends_where_a_plain_loop_does():
    constants, start = instance(Coarse(), 1)
    parameters = {name: torch.nn.Parameter(tensor.to(BF16)) for name, tensor in start.items()}
    optimizer = AdamW(parameters.values(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        Coarse().loss(parameters, constants, {}).backward()
        optimizer.step()
    expected = Coarse().evaluate(parameters, constants, torch.tensor(0.0)).item()
    assert run(Coarse(), AdamW, hyperparameters={"lr": 0.1})[1].final == pytest.approx(expected, rel=1e-6)


def test_updates_of_less_than_half_a_digit_are_lost():
    small = {"hyperparameters": {"lr": 1e-4}}
    assert all(row.final == row.initial for row in run(Coarse(), SGD, **small).values())
    assert all(row.final < row.initial for row in run(Fine(), SGD, **small).values())


def test_trials_are_tuned_in_that_type():
    made = recipe(RefusesOthers)
    tuned = tune(made, validate(made), Coarse(), Threshold(-1, 4))
    assert {(row.dtype, row.outcome) for row in tuned.runs} <= {("bfloat16", "missed"), ("bfloat16", "diverged")}


def test_what_a_plain_loop_would_need_is_measured_in_that_type():
    assert all(row.gradient_ms > 0 for row in run(Coarse(), SGD).values())
