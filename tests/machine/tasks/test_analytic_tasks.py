"""The tasks with a formula: their values, their starts, their noise and what their knobs do."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated, Sphere10
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.invariant import RayleighScaleInv
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.noise import MultNoiseBowl10
from pytest_optbench.machine.tasks.plateaus import PlateauGauss
from pytest_optbench.machine.tasks.saddles import QuarticSaddle
from pytest_optbench.machine.tasks.scales import BlockScale15, ScaleHuge, ScaleTiny
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.valleys import Beale, Rosenbrock2

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
        (Beale(), (1.0, 1.0), 1.5**2 + 2.25**2 + 2.625**2),
        (Beale(), (3.0, 0.0), 1.5**2 + 0.75**2 + 0.375**2),
        (Beale(), (1.0, 2.0), 2.5**2 + 5.25**2 + 9.625**2),
        (Beale(), (3.0, 0.5), 0),
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
        (Beale(), [1.0, 1.0], 0.1),
        (PlateauGauss(), [0.0, 0.0], 0.1),
        (Sphere10(jitter=0.2), [0.0] * 10, 0.2),
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
    value = task.evaluate({"x": constants["centre"] + step}, constants, STEP)
    assert value.item() == pytest.approx(0.5 * curvature, rel=1e-3)


def test_ellipsoids_of_two_seeds_are_rotated_differently(instance):
    first, second = (instance(Ellipsoid20Rotated(), seed).constants["factor"] for seed in range(2))
    assert (first - second).norm() > 0.1 * first.norm()


def test_minimum_of_the_ellipsoid_is_a_corner_of_the_cube_per_seed(instance):
    corners = torch.stack([instance(Ellipsoid20Rotated(), seed).constants["centre"] for seed in range(32)])
    assert corners.unique().tolist() == [-1, 1]
    assert len(corners.unique(dim=0)) == 32


@pytest.mark.parametrize(
    "task", [Sphere10(), ScaleTiny(), ScaleHuge(), MultNoiseBowl10(), BlockScale15()], ids=lambda task: task.name
)
def test_minima_of_spheres_are_standard_normal(task, instance):
    solutions = [task.solution(instance(task, seed).constants, 0) for seed in range(100)]
    minima = torch.stack([torch.cat([*solution.values()]) for solution in solutions])
    assert minima.mean().item() == pytest.approx(0, abs=0.15)
    assert minima.std().item() == pytest.approx(1, rel=0.1)
    assert (minima.abs() < 0.6745).float().mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("task", "factor"),
    [(Sphere10(), 1.0), (ScaleTiny(), 1e-8), (ScaleHuge(), 1e6)],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_sphere_costs_half_the_squared_distance_times_its_scale(task, factor, instance):
    constants = instance(task, dtype=torch.float64).constants
    offset = torch.zeros(10, dtype=torch.float64)
    offset[3] = 2
    value = task.evaluate({"x": constants["centre"] + offset}, constants, STEP)
    assert value.item() == pytest.approx(2 * factor, rel=1e-12)


@pytest.mark.parametrize(("block", "curvature"), [("flat", 1e-4), ("middle", 1.0), ("steep", 1e4)])
def test_blocks_differ_in_their_curvature_and_count_alike(block, curvature, instance):
    task = BlockScale15()
    constants = instance(task, dtype=torch.float64).constants
    solution = task.solution(constants, 0)
    moved = {**solution, block: solution[block] + 1}
    value, gradient = task.gradient(moved, constants, {})
    assert value.item() == pytest.approx(2.5 * curvature)
    assert task.evaluate(moved, constants, STEP).item() == pytest.approx(2.5)
    torch.testing.assert_close(gradient[block], torch.full((5,), curvature, dtype=torch.float64))


def test_the_plateau_is_as_high_as_the_well_is_deep(instance):
    task = PlateauGauss()
    constants = instance(task, dtype=torch.float64).constants
    away = {"x": constants["centre"] + torch.tensor([3.0, -4.0], dtype=torch.float64)}
    assert task.evaluate(away, constants, STEP).item() == pytest.approx(1 - math.exp(-12.5), rel=1e-12)


def test_values_close_to_the_bottom_of_the_well_keep_their_digits(instance):
    task = PlateauGauss()
    constants = instance(task).constants
    near = {"x": torch.tensor([1e-4, 0.0])}
    value = task.evaluate(near, {"centre": torch.zeros_like(constants["centre"])}, STEP)
    assert value.item() == pytest.approx(0.5e-8, rel=1e-5)


@pytest.mark.parametrize("distance", [18**0.5, 2.0])
def test_wells_lie_in_all_directions_at_the_distance_of_the_knob(distance, instance):
    task = PlateauGauss(distance=distance)
    centres = torch.stack([instance(task, seed).constants["centre"] for seed in range(200)])
    torch.testing.assert_close(centres.norm(dim=1), torch.full((200,), distance))
    torch.testing.assert_close(centres.mean(0), torch.zeros(2), rtol=0, atol=0.2 * distance)


@pytest.mark.parametrize("deviation", [1.0, 0.5])
def test_multiplicative_noise_is_log_normal(deviation, instance):
    task = MultNoiseBowl10(noise=deviation)
    one = instance(task)
    _, gradient = task.gradient(one.parameters, one.constants, {})
    noisy = [task.transform(gradient, one.parameters, one.constants, one.batch(step), {})[0] for step in range(64)]
    logarithms = (torch.stack([each["x"] for each in noisy]) / gradient["x"]).log()
    assert logarithms.mean().item() == pytest.approx(0, abs=0.15 * deviation)
    assert logarithms.std().item() == pytest.approx(deviation, rel=0.1)


def test_multiplicative_noise_leaves_the_loss_alone(instance):
    task = MultNoiseBowl10()
    one = instance(task)
    assert task.loss(one.parameters, one.constants, one.batch()) == task.evaluate(one.parameters, one.constants, STEP)


@pytest.mark.parametrize(("length", "block", "loud"), [(50, 0, 50), (50, 1, 0), (100, 0, 64), (100, 1, 36), (0, 0, 0)])
def test_the_burst_is_over_after_its_length(length, block, loud, instance):
    factors = instance(GradientBurst(length=length), block=block).block["factor"]
    assert factors.tolist() == [10.0] * loud + [1.0] * (64 - loud)


def test_every_direction_of_the_burst_holds_the_same_part_of_the_descent(instance):
    task = GradientBurst()
    constants = instance(task, dtype=torch.float64).constants
    origin = {"x": torch.zeros(20, dtype=torch.float64)}
    assert task.evaluate(origin, constants, STEP).item() == pytest.approx(10, rel=1e-4)
    directions = torch.linalg.svd(constants["factor"]).Vh
    solved = [{"x": direction * (direction @ constants["centre"])} for direction in directions]
    values = torch.stack([task.evaluate(point, constants, STEP) for point in solved])
    torch.testing.assert_close(values, torch.full((20,), 9.5, dtype=torch.float64), rtol=1e-3, atol=0)


def test_a_burst_multiplies_the_gradient_and_not_the_loss(instance):
    task = GradientBurst()
    one = instance(task)
    value, gradient = task.gradient(one.parameters, one.constants, one.batch(0))
    loud, quiet = (task.transform(gradient, one.parameters, one.constants, one.batch(k), {})[0] for k in (24, 25))
    torch.testing.assert_close(loud["x"], 10 * gradient["x"])
    torch.testing.assert_close(quiet["x"], gradient["x"])
    assert value == task.evaluate(one.parameters, one.constants, STEP)


def test_eigenvalues_of_the_quotient_are_evenly_spaced(instance):
    A = instance(RayleighScaleInv()).constants["A"].double()
    torch.testing.assert_close(
        torch.linalg.eigvalsh(A), torch.linspace(-1, 1, 20, dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_the_quotient_of_an_eigenvector_is_its_eigenvalue(instance):
    task = RayleighScaleInv()
    constants = instance(task, dtype=torch.float64).constants
    eigenvalues, eigenvectors = torch.linalg.eigh(constants["A"])
    values = [task.evaluate({"w": 3 * vector}, constants, STEP) for vector in eigenvectors.T]
    torch.testing.assert_close(torch.stack(values), eigenvalues)


def test_the_quotient_does_not_see_the_length_of_its_vector(instance):
    task = RayleighScaleInv()
    one = instance(task, dtype=torch.float64)
    longer = {"w": 7 * one.parameters["w"]}
    value, gradient = task.gradient(one.parameters, one.constants, {})
    far, slope = task.gradient(longer, one.constants, {})
    torch.testing.assert_close(far, value)
    torch.testing.assert_close(slope["w"], gradient["w"] / 7)
    assert (gradient["w"] @ one.parameters["w"]).item() == pytest.approx(0, abs=1e-12)


def test_starts_of_the_quotient_favour_no_eigenvector(instance):
    task = RayleighScaleInv()
    instances = [instance(task, seed) for seed in range(100)]
    cosines = torch.stack(
        [torch.cosine_similarity(one.parameters["w"], one.constants["eigenvector"], dim=0) for one in instances]
    )
    assert cosines.square().mean().item() == pytest.approx(1 / 20, rel=0.5)


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
