"""A step function: what it steps, and that only the step is left to be timed."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.stepping import shape_of, step_function
from pytest_optbench.words.errors import OptbenchError


class Watched(torch.optim.SGD):
    """Keeps what it finds at every step."""

    made: list[Watched]

    def __init__(self, params, lr=0.1) -> None:
        super().__init__(params, lr=lr)
        self.found: list[list[torch.Tensor]] = []
        type(self).made.append(self)

    def step(self, closure=None):
        parameters = self.param_groups[0]["params"]
        self.found.append([parameter.grad for parameter in parameters])
        super().step(closure)
        for parameter in parameters:
            parameter.grad = None


@pytest.fixture(autouse=True)
def _no_instances() -> None:
    Watched.made = []


def stepper(optimizer, shapes=((3, 4),), **hyperparameters):
    recipe = Recipe(name="it", optimizer=optimizer, where="tests", hyperparameters=hyperparameters)
    return step_function(recipe, validate(recipe), shapes, device="cpu")


@pytest.mark.parametrize("parameters", [1, 7, 12, 1000, 1024, 99991])
@pytest.mark.parametrize("dimensions", [{0, 1, 2, 3, 4}, {1}, {2}, {4}])
def test_a_shape_has_exactly_so_many_parameters_and_a_dimension_that_is_accepted(
    parameters: int, dimensions: set[int]
) -> None:
    shape = shape_of(parameters, dimensions)
    assert math.prod(shape) == parameters
    assert len(shape) in dimensions


def test_one_call_is_one_step_on_the_prepared_gradients() -> None:
    step = stepper(Watched, shapes=((3, 4), (5,)))
    optimizer = Watched.made[-1]
    before = len(optimizer.found)
    step()
    step()
    assert len(optimizer.found) == before + 2
    first, second = optimizer.found[-2:]
    assert [gradient.shape for gradient in second] == [(3, 4), (5,)]
    assert all(map(torch.equal, first, second))


def test_the_state_is_there_before_the_first_call() -> None:
    made = []

    def adam(parameters):
        made.append(torch.optim.Adam(parameters))
        return made[-1]

    stepper(adam)
    assert [float(state["step"]) for state in made[-1].state.values()] == [1.0]


def test_parameters_and_gradients_are_always_the_same() -> None:
    places = []
    for _ in range(2):
        step = stepper(Watched)
        step()
        places.append(Watched.made[-1].param_groups[0]["params"][0].detach())
    assert torch.equal(*places)


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS, torch.optim.Adam, torch.optim.Adafactor])
def test_closures_are_given_where_they_are_needed(optimizer: type[torch.optim.Optimizer]) -> None:
    stepper(optimizer)()


def test_an_optimizer_that_differentiates_its_gradients_is_refused() -> None:
    class Newton(torch.optim.SGD):
        def step(self, closure=None):
            for parameter in self.param_groups[0]["params"]:
                torch.autograd.grad(parameter.grad.sum(), parameter, retain_graph=True)
            return super().step(closure)

    with pytest.raises(OptbenchError, match="differentiates its gradients"):
        stepper(Newton, lr=0.1)
