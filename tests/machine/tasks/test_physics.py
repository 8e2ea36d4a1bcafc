"""The Poisson equation: derivatives against automatic ones, and the solution against its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from pytest_optbench.machine.tasks import physics
from pytest_optbench.machine.tasks.physics import PinnPoisson

TASK = PinnPoisson()
STEP = torch.tensor(0.0)


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


@pytest.fixture
def network(one):
    """The same network out of torch's modules, as a function of one point."""
    modules = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
    names = [name for name, _ in modules.named_parameters()]
    given = dict(zip(names, one.parameters.values(), strict=True))
    return lambda point: functional_call(modules, given, (point[None],))[0]


def test_network_is_that_of_torchs_modules(one, network):
    found = physics._solution(one.parameters, one.constants["points"])
    torch.testing.assert_close(found, vmap(network)(one.constants["points"]))


def test_curvature_is_the_second_derivative_of_the_network(one, network):
    found = physics._curvature(one.parameters, one.constants["points"])
    torch.testing.assert_close(found, vmap(grad(grad(network)))(one.constants["points"]))


@pytest.mark.parametrize("weight", [1, 10])
def test_loss_is_residual_plus_weighted_boundary(weight, one, network):
    points = one.constants["points"]
    residual = vmap(grad(grad(network)))(points) + math.pi**2 * torch.sin(math.pi * points)
    ends = vmap(network)(torch.tensor([0.0, 1.0], dtype=torch.float64))
    expected = residual.square().mean() / math.pi**4 + weight * ends.square().sum()
    task = PinnPoisson(boundary=weight)
    torch.testing.assert_close(task.loss(one.parameters, one.constants, {}), expected)


def test_the_true_solution_has_no_loss(one, monkeypatch):
    monkeypatch.setattr(physics, "_solution", lambda parameters, points: (math.pi * points).sin())
    monkeypatch.setattr(physics, "_curvature", lambda parameters, points: -(math.pi**2) * (math.pi * points).sin())
    assert TASK.loss(one.parameters, one.constants, {}).item() == pytest.approx(0, abs=1e-12)
    assert TASK.evaluate(one.parameters, one.constants, STEP).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.7, 2.0])
def test_evaluation_is_relative_to_the_solution(factor, one, monkeypatch):
    monkeypatch.setattr(physics, "_solution", lambda parameters, points: factor * (math.pi * points).sin())
    value = TASK.evaluate(one.parameters, one.constants, STEP)
    assert value.item() == pytest.approx(abs(factor - 1), abs=1e-6)


def test_every_part_of_the_interval_has_its_point(instance):
    for seed in range(8):
        points = instance(TASK, seed).constants["points"]
        assert (32 * points).floor().tolist() == list(range(32))
