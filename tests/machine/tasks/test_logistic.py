"""Logistic regression: the optima, by a second optimizer, and what the penalty covers."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.preprocessing import scale

from pytest_optbench.machine.tasks.logistic import BreastCancerLogreg, DigitsLogreg, IrisLogreg, WineLogreg

TASKS = (DigitsLogreg(), BreastCancerLogreg(), WineLogreg(), IrisLogreg())
LOADERS = {BreastCancerLogreg(): load_breast_cancer, WineLogreg(): load_wine, IrisLogreg(): load_iris}
STEP = torch.tensor(0.0)

every_regression = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
standardized = pytest.mark.parametrize("task", LOADERS, ids=lambda task: task.name)


@every_regression
def test_without_weights_the_loss_is_that_of_guessing(task, instance):
    one = instance(task, dtype=torch.float64)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in one.parameters.items()}
    assert task.evaluate(zeros, one.constants, STEP).item() == pytest.approx(math.log(len(zeros["bias"])), abs=1e-9)


@every_regression
def test_gradient_vanishes_at_the_solution(task, instance):
    constants = instance(task, dtype=torch.float64).constants
    solution = {name: tensor.double() for name, tensor in task.solution(constants, 0).items()}
    value, gradient = task.gradient(solution, constants, {})
    assert value.item() == pytest.approx(task.optimum, abs=1e-8)
    assert max(tensor.abs().max() for tensor in gradient.values()) < 1e-6


@standardized
def test_optimum_is_what_another_optimizer_finds_on_the_data_as_loaded(task):
    features, labels = LOADERS[task](return_X_y=True)
    X, y = torch.tensor(scale(features)), torch.tensor(labels)
    classes = int(y.max()) + 1
    W = torch.zeros(classes, X.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [W, b], max_iter=2000, history_size=30, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(X @ W.T + b, y) + 0.5e-3 * W.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert closure().item() == pytest.approx(task.optimum, abs=1e-8)


@standardized
def test_columns_are_standardized(task):
    features = task.shared()["images"].double()
    torch.testing.assert_close(features.mean(0), torch.zeros(features.shape[1]).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(features.var(0, correction=0), torch.ones(features.shape[1]).double())


@every_regression
def test_bias_is_not_penalized(task, instance):
    one = instance(task, dtype=torch.float64)
    shifted = {**one.parameters, "bias": one.parameters["bias"] + 5}
    torch.testing.assert_close(task.value(shifted, one.constants), task.value(one.parameters, one.constants))


@every_regression
def test_metrics_are_good_at_the_solution(task, instance):
    constants = instance(task).constants
    metrics = task.metrics(task.solution(constants, 0), constants)
    assert metrics["accuracy"] > 0.95
    assert metrics["macro_f1"] > 0.95
    assert metrics["calibration_error"] < 0.1


def test_writing_to_the_data_of_one_case_does_not_reach_the_next():
    WineLogreg().shared()["images"].zero_()
    assert WineLogreg().shared()["images"].any()
