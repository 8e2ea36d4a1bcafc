"""The tasks with a formula: their values, their starts, their noise and what their knobs do."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.saddles import QuarticSaddle
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.valleys import Rosenbrock2

STEP = torch.tensor(0.0)


def at(*coordinates):
    return {"x": torch.tensor(coordinates, dtype=torch.float64)}


def starts(task, instance, name="x", seeds=200):
    return torch.stack([instance(task, seed).parameters[name] for seed in range(seeds)])


@pytest.mark.parametrize(
    ("task", "point", "expected"),
    [
        (SchaulCliff(), (-2.0,), 3),
        (SchaulCliff(), (0.0,), 1),
        (SchaulCliff(), (1.0,), 0),
        (SchaulCliff(), (2.0,), 10),
        (SchaulCliff(steepness=4), (2.0,), 4),
        (Rosenbrock2(), (-1.2, 1.0), 24.2),
        (Rosenbrock2(), (0.0, 0.0), 1),
        (Rosenbrock2(), (0.0, 1.0), 101),
        (Rosenbrock2(), (1.0, 1.0), 0),
        (Rosenbrock2(steepness=3), (0.0, 1.0), 4),
        (QuarticSaddle(), (0.0, 0.0), 0),
        (QuarticSaddle(), (1.0, 0.0), 1),
        (QuarticSaddle(), (0.0, 1.0), -0.75),
        (QuarticSaddle(), (0.0, -(2**0.5)), -1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_value_of_the_formula(task, point, expected):
    assert task.evaluate(at(*point), {}, STEP).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "centre", "deviation"),
    [
        (SchaulCliff(), [0.0], 0.25),
        (SchaulCliff(spread=0.5), [0.0], 0.5),
        (Ellipsoid20Rotated(), [0.0] * 20, 0.1),
        (Rosenbrock2(), [-1.2, 1.0], 0.1),
        (Rosenbrock2(jitter=0.3), [-1.2, 1.0], 0.3),
        (DriftingMin10(), [0.0] * 10, 1.0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_starts_scatter_around_their_centre(task, centre, deviation, instance):
    found = starts(task, instance)
    torch.testing.assert_close(found.mean(0), torch.tensor(centre), rtol=0, atol=0.3 * deviation)
    assert (found - found.mean(0)).square().mean().sqrt().item() == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("offset", [1e-4, 1e-6])
def test_starts_on_the_saddle_stay_as_close_to_the_ridge_as_the_knob_says(offset, instance):
    distances = starts(QuarticSaddle(offset=offset), instance)[:, 1] / offset
    assert 0.5 < distances.min() < distances.max() < 1.5


@pytest.mark.parametrize(
    ("task", "deviation"), [(SchaulCliff(), 0.1), (SchaulCliff(noise=2), 2), (DriftingMin10(), 0.1)]
)
def test_gradient_noise_is_additive_and_gaussian(task, deviation, instance):
    noises = torch.cat([instance(task, seed).block["noise"].flatten() for seed in range(16)])
    assert noises.mean().item() == pytest.approx(0, abs=0.15 * deviation)
    assert noises.std().item() == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("task", [SchaulCliff(), DriftingMin10()], ids=lambda task: task.name)
def test_noise_is_what_the_gradient_has_beyond_the_gradient_of_the_evaluation(task, instance):
    one = instance(task, seed=1, dtype=torch.float64)
    _, found = task.gradient(one.parameters, one.constants, one.batch(9))
    clean = grad(task.evaluate)(one.parameters, one.constants, torch.tensor(9.0, dtype=torch.float64))
    torch.testing.assert_close(found["x"] - clean["x"], one.batch(9)["noise"])


@pytest.mark.parametrize("condition", [1e4, 10.0])
def test_curvatures_of_the_ellipsoid_span_the_condition(condition, instance):
    task = Ellipsoid20Rotated(condition=condition)
    one = instance(task, dtype=torch.float64)
    curvatures = torch.linalg.svdvals(one.constants["factor"]).square().flip(0)
    expected = torch.logspace(-0.5, 0.5, 20, base=condition, dtype=torch.float64)
    torch.testing.assert_close(curvatures, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(("axis", "curvature"), [(0, 100.0), (-1, 0.01)])
def test_a_unit_step_along_an_axis_of_the_ellipsoid_costs_half_its_curvature(axis, curvature, instance):
    task = Ellipsoid20Rotated()
    constants = instance(task, dtype=torch.float64).constants
    step = torch.linalg.svd(constants["factor"]).Vh[axis]
    value = task.evaluate({"x": constants["corner"] + step}, constants, STEP)
    assert value.item() == pytest.approx(0.5 * curvature, rel=1e-3)


def test_ellipsoids_of_two_seeds_are_rotated_differently(instance):
    first, second = (instance(Ellipsoid20Rotated(), seed).constants["factor"] for seed in range(2))
    assert (first - second).norm() > 0.1 * first.norm()


def test_minimum_of_the_ellipsoid_is_a_corner_of_the_cube_per_seed(instance):
    corners = torch.stack([instance(Ellipsoid20Rotated(), seed).constants["corner"] for seed in range(32)])
    assert corners.unique().tolist() == [-1, 1]
    assert len(corners.unique(dim=0)) == 32


def test_ellipsoid_is_not_aligned_with_the_coordinates(instance):
    factor = instance(Ellipsoid20Rotated()).constants["factor"]
    curvature = factor.T @ factor
    assert (curvature - curvature.diagonal().diag()).norm() > 0.5 * curvature.norm()


def test_four_rows_of_two_hundred_get_a_gradient(instance):
    task = SparseRows200()
    one = instance(task)
    for step in range(8):
        _, gradient = task.gradient(one.parameters, one.constants, one.batch(step))
        assert gradient["weight"].any(dim=1).sum() == 4


@pytest.mark.parametrize(("density", "active"), [(0.02, 4), (0.001, 1), (0.5, 100), (1, 200)])
def test_density_is_the_share_of_active_rows(density, active, instance):
    assert (instance(SparseRows200(density=density)).block["mask"] > 0).sum(1).unique().tolist() == [active]


def test_all_rows_are_equally_likely(instance):
    masks = torch.cat([instance(SparseRows200(), seed).block["mask"] for seed in range(100)])
    shares = (masks > 0).float().mean(0)
    torch.testing.assert_close(shares, torch.full((200, 1), 0.02), rtol=0, atol=0.01)


def test_the_sparse_loss_averages_to_the_evaluation(instance):
    task = SparseRows200(rows=4, density=0.25)
    one = instance(task, dtype=torch.float64)
    one_row_each = [task.loss(one.parameters, one.constants, {"mask": 4 * row[:, None]}) for row in torch.eye(4)]
    expected = task.evaluate(one.parameters, one.constants, STEP)
    torch.testing.assert_close(torch.stack(one_row_each).mean(), expected)
    assert one.block["mask"].max() == 4


@pytest.mark.parametrize("speed", [0.01, 0.5])
def test_the_minimum_moves_by_its_speed(speed, instance):
    minimum = instance(DriftingMin10(speed=speed)).block["minimum"]
    torch.testing.assert_close(minimum.diff(dim=0).norm(dim=1), torch.full((63,), speed), rtol=1e-3, atol=0)


def test_the_drift_goes_on_from_block_to_block(instance):
    blocks = [instance(DriftingMin10(), block=block).block["minimum"] for block in (0, 1, 5)]
    torch.testing.assert_close(blocks[1][0], 64 * blocks[0][1])
    torch.testing.assert_close(blocks[2][3], (5 * 64 + 3) * blocks[0][1])


@pytest.mark.parametrize(("lag", "error"), [(0, 0.0), (1, 0.5 * 0.01**2), (10, 0.5 * 0.1**2)])
def test_lagging_behind_the_drift_costs_half_the_squared_distance(lag, error, instance):
    task = DriftingMin10()
    constants = instance(task, dtype=torch.float64).constants
    late = task.solution(constants, 300 - lag)
    assert task.evaluate(late, constants, torch.tensor(300.0)).item() == pytest.approx(error, rel=1e-3, abs=1e-12)


def test_seeds_drift_in_different_directions(instance):
    first, second = (instance(DriftingMin10(), seed).constants["velocity"] for seed in range(2))
    assert torch.cosine_similarity(first, second, dim=0) < 0.9


@pytest.mark.parametrize("rank", [1, 3])
def test_the_product_has_the_rank_of_its_factors(rank, instance):
    assert torch.linalg.matrix_rank(instance(MatrixFactor(rank=rank)).constants["product"]) == rank


def test_the_origin_of_the_factors_is_a_saddle(instance):
    task = MatrixFactor()
    one = instance(task)
    origin = {name: torch.zeros_like(tensor) for name, tensor in one.parameters.items()}
    _, gradient = task.gradient(origin, one.constants, {})
    assert not any(tensor.any() for tensor in gradient.values())
    assert task.value(origin, one.constants) > task.optimum


def test_factors_that_differ_by_an_invertible_matrix_are_as_good(instance):
    task = MatrixFactor()
    one = instance(task, dtype=torch.float64)
    G = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 1.0]], dtype=torch.float64)
    left, right = one.parameters["left"] @ G, one.parameters["right"] @ torch.linalg.inv(G).T
    equal = task.value({"left": left, "right": right}, one.constants)
    torch.testing.assert_close(equal, task.value(one.parameters, one.constants))
