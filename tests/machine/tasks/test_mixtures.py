"""Mixtures: the Bayes loss, the quadrature of the evaluation, and how often the rare class comes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from pytest_optbench.machine.tasks.mixtures import Gmm2, ImbalancedGmm

STEP = torch.tensor(0.0)
TASKS = [Gmm2(), ImbalancedGmm()]

both = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@both
def test_optimum_is_the_integral_of_the_loss_of_the_true_log_odds(task):
    along = np.linspace(-12, 12, 40001)
    density = np.exp(-0.5 * along**2) / math.sqrt(2 * math.pi)
    prior, half = math.log(task.share / (1 - task.share)), task.separation / 2
    positive = np.logaddexp(0, -(prior + task.separation * (half + along)))
    negative = np.logaddexp(0, prior + task.separation * (along - half))
    mean = density * (task.share * positive + (1 - task.share) * negative)
    assert np.trapezoid(mean, along) == pytest.approx(task.optimum, abs=1e-8)


def test_error_of_the_balanced_mixture_is_that_of_one_standard_deviation(instance):
    one = instance(Gmm2())
    metrics = Gmm2().metrics(Gmm2().solution(one.constants, 0), one.constants)
    assert 1 - metrics["accuracy"].item() == pytest.approx(0.158655, abs=0.03)


@both
def test_evaluation_is_the_mean_loss_of_many_samples(task, instance):
    one = instance(task)
    blocks = [instance(task, block=block).block for block in range(8)]
    inputs = torch.cat([block["inputs"].flatten(0, 1) for block in blocks])
    labels = torch.cat([block["labels"].flatten() for block in blocks])
    weight = 0.2 * one.parameters["weight"] + one.constants["direction"]
    parameters = {"weight": weight, "bias": torch.tensor([-0.5])}
    losses = softplus(-labels * (inputs @ weight - 0.5))
    error = 4 * losses.std().item() / len(losses) ** 0.5
    assert task.evaluate(parameters, one.constants, STEP).item() == pytest.approx(losses.mean().item(), abs=error)


@both
def test_the_gradient_of_the_evaluation_vanishes_at_the_solution(task, instance):
    constants = instance(task, dtype=torch.float64).constants
    solution = {name: tensor.double() for name, tensor in task.solution(constants, 0).items()}
    gradient = torch.func.grad(task.evaluate)(solution, constants, STEP)
    assert max(tensor.abs().max() for tensor in gradient.values()) < 1e-6


def test_one_label_in_101_is_of_the_rare_class(instance):
    task = ImbalancedGmm()
    labels = torch.cat([instance(task, block=block).block["labels"].flatten() for block in range(8)])
    assert (labels > 0).float().mean().item() == pytest.approx(1 / 101, abs=2e-3)
    assert instance(task).constants["held_out_labels"].bincount().tolist() == [1000, 10]


def test_macro_f1_tells_what_accuracy_does_not(instance):
    task = ImbalancedGmm()
    one = instance(task)
    nothing = {"weight": torch.zeros(20), "bias": torch.tensor([-5.0])}
    metrics = task.metrics(nothing, one.constants)
    assert metrics["accuracy"] > 0.99
    assert metrics["macro_f1"] < 0.5
