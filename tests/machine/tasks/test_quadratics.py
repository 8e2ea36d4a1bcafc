"""Quadratics: curvatures, shares of the descent, and minima solved for in another way."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad, jacrev

from pytest_optbench.machine.tasks.bowls import Ellipsoid20
from pytest_optbench.machine.tasks.convex import DifferentPowers10
from pytest_optbench.machine.tasks.quadratics import BentCigar10, BoothMatyas, Discus10, L2lRandomQuadratic
from pytest_optbench.machine.tasks.valleys import Rosenbrock10

STEP = torch.tensor(0.0)


def curvatures(task, one):
    matrix = jacrev(grad(lambda x: task.evaluate({"x": x}, one.constants, STEP)))(one.parameters["x"])
    return matrix, torch.linalg.eigvalsh(matrix)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Ellipsoid20(), torch.logspace(-2, 2, 20)),
        (Ellipsoid20(condition=100.0), torch.logspace(-1, 1, 20)),
        (BentCigar10(), torch.tensor([1.0] + [500.0] * 9)),
        (BentCigar10(condition=50.0), torch.tensor([1.0] + [50.0] * 9)),
        (Discus10(), torch.tensor([1.0] * 9 + [1e6])),
        (Discus10(condition=50.0), torch.tensor([1.0] * 9 + [50.0])),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_curvatures(task, expected, instance):
    _, found = curvatures(task, instance(task, dtype=torch.float64))
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-6 * expected.max().item())


@pytest.mark.parametrize(
    ("task", "aligned"),
    [(Ellipsoid20(), True), (Discus10(), True), (BentCigar10(), False)],
    ids=lambda value: getattr(value, "name", None),
)
def test_only_the_cigar_is_rotated(task, aligned, instance):
    matrix, _ = curvatures(task, instance(task, dtype=torch.float64))
    beside = (matrix - matrix.diagonal().diag()).norm() / matrix.norm()
    assert (beside < 1e-6) == aligned
    assert beside < 1e-6 or beside > 0.05


@pytest.mark.parametrize("task", [BentCigar10(), Discus10()], ids=lambda task: task.name)
def test_every_direction_holds_a_like_part_of_the_descent(task, instance):
    shares = []
    for seed in range(30):
        one = instance(task, seed, dtype=torch.float64)
        matrix, _ = curvatures(task, one)
        values, axes = torch.linalg.eigh(matrix)
        shares.append(0.5 * values * (axes.T @ one.constants["centre"]).square())
    odd = 0 if task.name == "bent_cigar10" else -1
    assert torch.stack(shares).mean(0)[odd].item() == pytest.approx(0.5 * (13 / 12), rel=0.3)
    assert torch.stack(shares).mean().item() == pytest.approx(0.5 * (13 / 12), rel=0.1)


@pytest.mark.parametrize("task", [BentCigar10(), Discus10()], ids=lambda task: task.name)
def test_the_start_scatters_in_the_metric_of_the_function(task, instance):
    values = []
    for seed in range(100):
        one = instance(task, seed, dtype=torch.float64)
        values.append(task.evaluate({"x": one.parameters["x"] + one.constants["centre"]}, one.constants, STEP))
    assert torch.stack(values).mean().item() == pytest.approx(0.5 * 10 * 0.1**2, rel=0.2)


@pytest.mark.parametrize(("booth", "expected"), [((0.0, 0.0), 74), ((1.0, 1.0), 16 + 4), ((1.0, 3.0), 0)])
def test_value_of_booth(booth, expected, instance):
    constants = instance(BoothMatyas(), dtype=torch.float64).constants
    parameters = {"booth": torch.tensor(booth, dtype=torch.float64), "matyas": constants["shift"]}
    assert BoothMatyas().evaluate(parameters, constants, STEP).item() == pytest.approx(expected)


@pytest.mark.parametrize(("matyas", "expected"), [((1.0, 1.0), 0.04), ((1.0, -1.0), 1.0), ((9.0, 1.0), 17.0)])
def test_value_of_matyas(matyas, expected, instance):
    constants = instance(BoothMatyas(), dtype=torch.float64).constants
    parameters = {
        "booth": torch.tensor([1.0, 3.0], dtype=torch.float64),
        "matyas": constants["shift"] + torch.tensor(matyas),
    }
    assert BoothMatyas().evaluate(parameters, constants, STEP).item() == pytest.approx(expected)


def test_starts_of_booth_and_matyas(instance):
    ones = [instance(BoothMatyas(), seed) for seed in range(100)]
    booth = torch.stack([one.parameters["booth"] for one in ones])
    matyas = torch.stack([one.parameters["matyas"] - one.constants["shift"] for one in ones])
    torch.testing.assert_close(booth.mean(0), torch.zeros(2), rtol=0, atol=0.04)
    torch.testing.assert_close(matyas.mean(0), torch.tensor([9.0, 1.0]), rtol=0, atol=0.04)


def test_the_random_quadratic_is_the_squared_residual_of_gaussian_equations(instance):
    task = L2lRandomQuadratic()
    ones = [instance(task, seed, dtype=torch.float64) for seed in range(40)]
    entries = torch.cat([torch.cat([one.constants["W"].flatten(), one.constants["centre"]]) for one in ones])
    assert (entries.mean().item(), entries.std().item()) == (pytest.approx(0, abs=0.05), pytest.approx(1, rel=0.05))
    W, m, theta = ones[0].constants["W"], ones[0].constants["centre"], ones[0].parameters["theta"]
    expected = sum((sum(W[i, j] * (theta[j] - m[j]) for j in range(10))) ** 2 for i in range(10))
    torch.testing.assert_close(task.evaluate(ones[0].parameters, ones[0].constants, STEP), expected)


def test_powers_are_evenly_spaced(instance):
    task = DifferentPowers10()
    constants = instance(task, dtype=torch.float64).constants
    beside = constants["centre"] - 2 * torch.eye(10, dtype=torch.float64)
    values = [task.evaluate({"x": x}, constants, STEP).log2().item() for x in beside]
    assert values == pytest.approx([2 + 4 * k / 9 for k in range(10)], rel=1e-6)


@pytest.mark.parametrize(
    ("x", "expected"), [([0.0] * 10, 9), ([1.0] * 10, 0), ([2.0] + [1.0] * 9, 1 + 900), ([-1.0] + [1.0] * 9, 4)]
)
def test_value_of_the_chain(x, expected):
    found = Rosenbrock10().evaluate({"x": torch.tensor(x, dtype=torch.float64)}, {}, STEP)
    assert found.item() == pytest.approx(expected)
