"""Least squares: the reduced problem against the data that it was reduced from."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import scale

from pytest_optbench.machine.tasks.regression import DiabetesOls

TASK = DiabetesOls()
STEP = torch.tensor(0.0)


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


@pytest.fixture(scope="module")
def data():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), scale(y)


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_half_the_mean_squared_error_on_all_patients(seed, data, instance):
    one = instance(TASK, seed, dtype=torch.float64)
    X, y = map(torch.tensor, data)
    expected = 0.5 * (X @ one.parameters["weight"] - y).square().mean()
    torch.testing.assert_close(TASK.evaluate(one.parameters, one.constants, STEP), expected, rtol=1e-6, atol=0)


def test_without_weights_half_the_variance_is_left(one):
    origin = {"weight": torch.zeros(10, dtype=torch.float64)}
    assert TASK.evaluate(origin, one.constants, STEP).item() == pytest.approx(0.5, rel=1e-6)


def test_solution_is_that_of_scikit_learn(one, data):
    expected = torch.tensor(LinearRegression(fit_intercept=False).fit(*data).coef_, dtype=torch.float32)
    torch.testing.assert_close(TASK.solution(one.constants, 0)["weight"], expected)


def test_optimum_is_what_least_squares_leaves(data):
    X, y = data
    explained = LinearRegression(fit_intercept=False).fit(X, y).score(X, y)
    assert pytest.approx(0.5 * (1 - explained), abs=1e-8) == TASK.optimum


def test_the_condition_is_that_of_the_data(one):
    assert torch.linalg.cond(one.constants["R"]).item() ** 2 == pytest.approx(470, rel=1e-3)
