"""The shapes of Schaul et al., and the tasks made of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.schaul import SchaulAbs, SchaulGaussBowl, SchaulQuadBowl
from pytest_optbench.machine.tasks.schaul_basins import (
    SchaulConvexCliffBowl,
    SchaulGaussBasin,
    SchaulLaplaceBasin,
    SchaulReluBendBowl,
)
from pytest_optbench.machine.tasks.schaul_combined import (
    SchaulAbsBowl2,
    SchaulCliffBowl10,
    SchaulLaplaceValley10,
    SchaulSaddleBowl2,
)
from pytest_optbench.machine.tasks.schaul_lines import (
    BesideBowl,
    SchaulBend,
    SchaulExponential,
    SchaulLine,
    SchaulRidge,
)
from pytest_optbench.machine.tasks.schaul_shapes import (
    PARTS,
    bottom,
    height_of,
    lowered,
    shape,
    slope_of,
    table,
    tables,
)

EXACT = torch.float64
STEP = torch.tensor(0.0, dtype=EXACT)
LAPLACE = ("laplace_nonconvex", "laplace_convex", "laplace_bowl", "laplace_convex", "laplace_nonconvex")
GAUSS = ("gauss_nonconvex", "gauss_convex", "gauss_bowl", "gauss_convex", "gauss_nonconvex")
CHAINS = [(part,) for part in PARTS] + [
    ("quad_convex", "line"),
    ("line", "exponential"),
    ("laplace_convex", "relu"),
    ("quad_convex", "cliff", "gauss_nonconvex"),
    ("quad_convex", "ridge", "quad_bowl"),
    ("quad_convex", "relu", "bend", "exponential"),
    LAPLACE,
    GAUSS,
]
SMOOTH = frozenset(PARTS) - {"relu", "abs", "bend", "cliff", "ridge"}
BESIDE_BOWL = [task for task in BUILTIN if isinstance(task, BesideBowl)]

every_chain = pytest.mark.parametrize("parts", CHAINS, ids="-".join)
each_slope = pytest.mark.parametrize("slope", [-1.0, -10.0, 1.0, -0.1])


def exact(parts, slope=-1.0):
    return table(shape(*parts, slope=slope), dtype=EXACT)


def at(*points):
    return torch.tensor(points, dtype=EXACT)


@pytest.mark.parametrize(
    ("part", "height", "slope"),
    [
        ("line", -1, -1),
        ("relu", 1 - math.sqrt(2), 0),
        ("abs", 0, 1),
        ("bend", -(math.sqrt(2) - 1), -1),
        ("quad_bowl", 0, 1),
        ("quad_convex", -0.55, -0.1),
        ("exponential", -0.999 / math.log(1000), -1e-3),
        ("gauss_bowl", 0, 1),
        ("laplace_bowl", 0, 1),
        ("laplace_nonconvex", -(math.exp(7) - 1) / 7, -math.exp(7)),
        ("laplace_convex", -(math.exp(0.9) - 1) / 0.9, -math.exp(0.9)),
    ],
)
def test_value_and_slope_at_the_end_of_a_part(part, height, slope):
    assert height_of(exact([part]), at(1.0)).item() == pytest.approx(height, abs=1e-12)
    assert slope_of(exact([part]), at(1.0)).item() == pytest.approx(slope)


@pytest.mark.parametrize(("part", "factor"), [("cliff", -10), ("ridge", 10), ("relu", 0), ("abs", -1)])
def test_a_kink_multiplies_the_slope(part, factor):
    before, after = slope_of(exact([part], slope=-0.5), at(0.0, 1.0)).tolist()
    assert (before, after) == pytest.approx((-0.5, -0.5 * factor))


@pytest.mark.parametrize("part", ["relu", "abs", "cliff", "ridge", "bend"])
def test_both_arms_of_a_kink_are_as_long(part):
    pieces = shape(part, slope=-2.0)
    kink = pieces[1].left
    x = at(0.0, kink, 1.0)
    values = height_of(table(pieces, dtype=EXACT), x)
    arms = torch.stack([x.diff(), values.diff()]).norm(dim=0)
    assert arms[0].item() == pytest.approx(arms[1].item())


@pytest.mark.parametrize(
    ("part", "slope", "found"),
    [("gauss_nonconvex", -1.0, 1.0), ("gauss_convex", -1.0, 0.0), ("gauss_nonconvex", 1.0, 0.0)],
)
def test_parts_of_a_gaussian_meet_at_its_inflection(part, slope, found):
    around = slope_of(exact([part], slope), at(found - 1e-4, found, found + 1e-4)).abs()
    assert around[1] > max(around[0], around[2])


@each_slope
@every_chain
def test_shapes_begin_at_0_with_their_slope_and_are_continuous(parts, slope):
    numbers = exact(parts, slope)
    assert height_of(numbers, at(0.0)).item() == pytest.approx(0, abs=1e-9)
    if parts[0] != "bend":
        assert slope_of(numbers, at(0.0)).item() == pytest.approx(slope)
    edges = numbers[1:, 0]
    before, after = height_of(numbers, edges - 1e-12), height_of(numbers, edges)
    torch.testing.assert_close(before, after, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("parts", [one for one in CHAINS if SMOOTH.issuperset(one)], ids="-".join)
@each_slope
def test_smooth_parts_are_chained_smoothly(parts, slope):
    numbers = exact(parts, slope)
    edges = numbers[1:, 0]
    torch.testing.assert_close(slope_of(numbers, edges - 1e-12), slope_of(numbers, edges), rtol=1e-8, atol=1e-9)


@each_slope
@every_chain
def test_the_slope_is_the_derivative_of_the_height(parts, slope):
    numbers = exact(parts, slope)
    x = torch.linspace(-0.513, 1.487, 41, dtype=EXACT)
    derivative = grad(lambda x: height_of(numbers, x).sum())(x)
    torch.testing.assert_close(slope_of(numbers, x), derivative, rtol=1e-10, atol=1e-12)


def test_a_bend_becomes_as_steep_as_it_was_before_the_plateau():
    numbers = exact(("relu", "bend", "line"), slope=-3.0)
    assert slope_of(numbers, at(0.0, 0.4, 0.9)).tolist() == pytest.approx([-3, 0, -3])


@pytest.mark.parametrize(
    "parts",
    [("abs",), ("cliff",), ("quad_bowl",), ("gauss_bowl",), ("quad_convex", "ridge", "quad_bowl"), LAPLACE, GAUSS],
    ids="-".join,
)
def test_the_bottom_is_where_a_search_finds_it(parts):
    x = torch.linspace(-2, 3, 50_001, dtype=EXACT)
    values = height_of(exact(parts), x)
    point, value = bottom(shape(*parts))
    assert point == pytest.approx(x[values.argmin()].item(), abs=1e-4)
    assert value == pytest.approx(values.min().item(), rel=1e-3)
    assert height_of(table(lowered(shape(*parts), value), dtype=EXACT), at(point)).item() == pytest.approx(0, abs=1e-9)


def test_a_small_value_at_the_bottom_or_on_a_flank_keeps_its_digits_in_float32():
    bowl = shape("gauss_bowl")
    numbers = table(lowered(bowl, bottom(bowl)[1]))
    near = height_of(numbers, torch.tensor(0.5 + 2**-12))
    assert near.item() == pytest.approx(25 * math.exp(0.01) * (2**-12 / 5) ** 2, rel=1e-4)
    flank = height_of(table(shape("gauss_nonconvex")), torch.tensor([0.0, 2**-10])).diff()
    assert flank.item() == pytest.approx(-(2**-10), rel=0.05)


def test_shapes_of_unequal_length_make_one_table():
    short, long = shape("line"), shape("relu", "bend")
    both = tables([short, long], dtype=EXACT)
    x = at(0.9, 0.9)
    apart = torch.stack([height_of(table(one, dtype=EXACT), x[0]) for one in (short, long)])
    torch.testing.assert_close(height_of(both, x), apart, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("task", "point", "expected"),
    [
        (SchaulQuadBowl(), [0.5, 0.5, 0.5, 1.5], 1),
        (SchaulQuadBowl(), [0.0] * 4, 1),
        (SchaulAbs(), [0.5, 0.0, 1.0, 2.5], 3),
        (SchaulGaussBowl(), [0.5, 0.5, 0.5, 1e9], 25 * math.exp(0.01)),
        (SchaulLaplaceBasin(), [0.5, 0.5, 0.5, 0.0], 670.6793),
        (SchaulGaussBasin(), [0.5, 0.5, 0.5, 1.0], 192308.94),
        (SchaulConvexCliffBowl(), [5 / 6, 5 / 6, 5 / 6, 0.0], 0.424626),
        (SchaulConvexCliffBowl(), [5 / 6, 5 / 6, 5 / 6, 5 / 6 + 1], 3),
        (SchaulReluBendBowl(), [5 / 6, 5 / 6, 0.2, 0.5], 2 * (0.359476 - 0.138071)),
        (SchaulSaddleBowl2(), [1e9, 0.5], 0.354042),
        (SchaulSaddleBowl2(), [-0.2147372, 1.5], 1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_value_of_a_task(task, point, expected, instance):
    constants = instance(task, dtype=EXACT).constants
    assert task.evaluate({"x": at(*point)}, constants, STEP).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", BESIDE_BOWL, ids=lambda task: task.name)
def test_beside_a_bowl_the_way_to_the_goal_counts_one_and_what_is_beyond_nothing(task, instance):
    one = instance(task, dtype=EXACT)
    values = [
        task.evaluate({"x": at(x * task.goal), "y": one.constants["centre"]}, one.constants, STEP).item()
        for x in (0, 0.3, 1, 2)
    ]
    assert values[0] == pytest.approx(1, rel=1e-6)
    assert 0 < values[1] < 1
    assert values[2:] == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("task", BESIDE_BOWL, ids=lambda task: task.name)
def test_the_bowl_costs_half_the_squared_distance(task, instance):
    one = instance(task, dtype=EXACT)
    solution = {name: tensor.to(EXACT) for name, tensor in task.solution(one.constants, 0).items()}
    moved = {**solution, "y": one.constants["centre"] + at(1.0, 0.0, 2.0)}
    assert task.evaluate(moved, one.constants, STEP).item() == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("task", "x", "slope"),
    [
        (SchaulLine(), 5.0, -1),
        (SchaulRidge(), 0.5, -1),
        (SchaulRidge(), 0.9, -10),
        (SchaulExponential(), 1 / 3, -0.1),
        (SchaulBend(), 0.0, -0.05),
        (SchaulBend(tilt=0.2), 0.0, -0.2),
        (SchaulBend(), 0.6, -1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_gradient_beside_a_bowl(task, x, slope, instance):
    one = instance(task, dtype=EXACT)
    parameters = {**one.parameters, "x": at(x)}
    _, gradient = task.gradient(parameters, one.constants, one.batch(3))
    noise = one.batch(3)["noise"]
    assert (gradient["x"] - noise[:1]).item() == pytest.approx(slope, rel=1e-5)
    torch.testing.assert_close(gradient["y"] - noise[1:], parameters["y"] - one.constants["centre"])


@pytest.mark.parametrize("task", [SchaulQuadBowl(), SchaulQuadBowl(noise=2), SchaulLine(), SchaulCliffBowl10()])
def test_noise_is_gaussian_and_of_the_size_of_the_knob(task, instance):
    noises = torch.cat([instance(task, seed).block["noise"].flatten() for seed in range(8)])
    assert noises.mean().item() == pytest.approx(0, abs=0.1 * task.noise)
    assert noises.std().item() == pytest.approx(task.noise, rel=0.1)


def test_both_plateaus_of_the_gaussian_basin_are_as_steep_in_float32(instance):
    task = SchaulGaussBasin(noise=0)
    one = instance(task)
    _, gradient = task.gradient({"x": torch.tensor([0.0, 1.0, 0.02, 0.98])}, one.constants, one.batch())
    torch.testing.assert_close(gradient["x"][::2], -gradient["x"][1::2], rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("task", "least", "most"),
    [(SchaulGaussBowl(), 6, 10), (SchaulLaplaceBasin(), 0.2, 0.5), (SchaulGaussBasin(), 0.2, 0.5)],
    ids=lambda value: getattr(value, "name", None),
)
def test_starts_on_both_flanks_at_the_stated_distance(task, least, most, instance):
    offsets = torch.cat([instance(task, seed).parameters["x"] for seed in range(24)]) - 0.5
    assert least <= offsets.abs().min() < offsets.abs().max() <= most
    assert offsets.abs().mean().item() == pytest.approx((least + most) / 2, rel=0.1)
    assert (offsets > 0).double().mean().item() == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("curl", [1.0, 0.3])
def test_the_curl_turns_about_the_minimum_and_does_no_work(curl, instance):
    task = SchaulAbsBowl2(curl=curl)
    one = instance(task, dtype=EXACT)
    away = one.parameters["x"] - task.solution(one.constants, 0)["x"]
    _, gradient = task.gradient(one.parameters, one.constants, one.batch())
    turned, _ = task.transform(gradient, one.parameters, one.constants, one.batch(), {})
    added = turned["x"] - gradient["x"]
    assert (added @ away).item() == pytest.approx(0, abs=1e-12)
    assert added.norm().item() == pytest.approx(curl * away.norm().item())


def test_the_curl_turns_either_way(instance):
    turns = torch.stack([instance(SchaulAbsBowl2(), seed).constants["turn"] for seed in range(32)])
    assert turns[:, 0, 1].unique().tolist() == [-1, 1]


@pytest.mark.parametrize("task", [SchaulAbsBowl2(), SchaulCliffBowl10()], ids=lambda task: task.name)
def test_rotated_shapes_lie_along_the_rows_of_the_rotation(task, instance):
    constants = instance(task, dtype=EXACT).constants
    minimum, rows = task.solution(constants, 0)["x"], constants["rotation"]
    values = [task.evaluate({"x": minimum + 0.25 * row}, constants, STEP).item() for row in rows]
    first = {"schaul_abs_bowl2": 0.25, "schaul_cliff_bowl10": 2.5}[task.name]
    assert values == pytest.approx([first, *[0.0625] * (task.size - 1)], rel=1e-5)


@pytest.mark.parametrize("coordinate", [0, 1, 9])
def test_coordinates_of_the_valley_count_alike_however_deep_they_are(coordinate, instance):
    task = SchaulLaplaceValley10()
    constants = instance(task, dtype=EXACT).constants
    x = constants["bottom"].clone()
    x[coordinate] = 0
    assert task.evaluate({"x": x}, constants, STEP).item() == pytest.approx(0.1, rel=1e-5)
