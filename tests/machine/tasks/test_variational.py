"""The linear autoencoder: its expected bound against sampled ones, and its optimum."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import vmap

from pytest_optbench.machine.tasks.variational import PpcaVae

STEP = torch.tensor(0.0)


def test_entropy_is_that_of_the_covariance(instance):
    one = instance(PpcaVae(), dtype=torch.float64)
    covariance = one.constants["root"].T @ one.constants["root"]
    expected = 0.5 * torch.logdet(2 * math.pi * math.e * covariance).item()
    assert one.task.entropy == pytest.approx(expected, abs=1e-6)


def test_evaluation_is_the_expected_loss(instance):
    one = instance(PpcaVae(batch_size=1000), dtype=torch.float64)
    losses = vmap(lambda batch: one.task.loss(one.parameters, one.constants, batch))(one.block)
    value = one.task.evaluate(one.parameters, one.constants, STEP) + one.task.entropy
    torch.testing.assert_close(value, losses.mean(), rtol=0, atol=5 * losses.std().item() / 8)
    assert losses.std() < 0.05 * value


def test_solution_has_the_covariance_of_the_data(instance):
    one = instance(PpcaVae())
    metrics = one.task.metrics(one.task.solution(one.constants, 0), one.constants)
    assert metrics["covariance_error"] < 1e-6
    assert metrics["mean_error"] == 0


def test_samples_of_the_solution_have_the_mean_of_the_data(instance):
    one = instance(PpcaVae())
    solution = one.task.solution(one.constants, 0)
    shown = {**one.constants, "shown": torch.zeros(4, 13)}
    assert torch.equal(one.task.examples(solution, shown)["samples"], one.constants["mean"].expand(4, 10))
