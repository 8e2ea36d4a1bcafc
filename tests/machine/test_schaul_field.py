"""Fields: the variants of the grid of Schaul et al. as one tensor program."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.schaul_field import PERIOD, STEPS, make_field
from pytest_optbench.machine.tasks.schaul_grid import Coordinate, Variant, grid
from pytest_optbench.machine.tasks.schaul_shapes import height_of, shape, table

GRID = {variant.name: variant for variant in grid()}
SOME = {
    1: ["1d.line.noiseless.normal", "1d.cliff-quad_bowl.noiseless.steep.offset_changes", "1d.abs.noiseless.flat"],
    2: ["2d.abs.noiseless.normal.rotated", "2d.cliff+line.noiseless.normal", "2d.quad_bowl.noiseless.flat.rotated"],
    10: ["10d.cliff+line.noiseless.normal.rotated", "10d.abs+quad_bowl.noiseless.normal+saddle"],
}


def alone(noise, change="stationary", dimension=1):
    coordinate = Coordinate("line", noise, "normal")
    return Variant(dimension, coordinate, coordinate, change=change)


def points(field, seed=0, reach=1.0):
    return reach * torch.randn(2, *field.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dimension", [1, 2, 10])
def test_without_noise_the_gradient_is_that_of_the_function(dimension):
    field = make_field([GRID[name] for name in SOME[dimension]], repetitions=3)
    x = points(field)
    expected = grad(lambda x: field.progress(x, 57).sum())(x)
    torch.testing.assert_close(field.gradient(x, 57), expected, rtol=1e-4, atol=1e-5)


def test_a_field_computes_every_variant_as_if_it_were_alone():
    variants = [GRID[name] for name in SOME[1]] + [alone("gauss_mul_low", "noise_changes")]
    together = make_field(variants, repetitions=4)
    x = points(together)
    for k, variant in enumerate(variants):
        own = make_field([variant], repetitions=4)
        torch.testing.assert_close(own.gradient(x[:, k : k + 1], 33)[:, 0], together.gradient(x, 33)[:, k])
        torch.testing.assert_close(own.progress(x[:, k : k + 1])[:, 0], together.progress(x)[:, k])


def test_progress_in_one_dimension_is_the_change_of_the_shape():
    field = make_field([GRID["1d.cliff-quad_bowl.noiseless.steep"]])
    x = points(field)
    numbers = table(shape("cliff", "quad_bowl", slope=-10.0))
    torch.testing.assert_close(field.progress(x), height_of(numbers, x.squeeze(-1)), rtol=1e-5, atol=1e-5)


def test_the_norm_takes_the_absolute_value_of_every_coordinate():
    field = make_field([GRID["2d.line.noiseless.normal"]], repetitions=1)
    x = torch.tensor([150.0, 250.0]).reshape(1, 1, 1, 2)
    # From 200 each to |200 - 150| and |200 - 250|.
    assert field.progress(x).item() == pytest.approx(100 - 400)
    assert field.gradient(x, 0).flatten().tolist() == pytest.approx([-1, 1])


def test_a_curl_is_added_to_the_gradient_and_grows_with_the_distance():
    straight, curled = (make_field([GRID[f"2d.abs.noiseless.normal{mark}"]]) for mark in ("", ".curled"))
    x = points(straight)
    added = curled.gradient(x, 0) - straight.gradient(x, 0)
    torch.testing.assert_close(added.norm(dim=-1), x.norm(dim=-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("noise", "statistic", "expected"),
    [
        ("gauss_add_normal", lambda g: (g + 1).std(), 0.1),
        ("gauss_add_high", lambda g: (g + 1).std(), 10),
        ("gauss_mul_normal", lambda g: (-g).log().std(), 1),
        ("gauss_mul_low", lambda g: (-g).log().std(), 0.1),
        ("maskout_high", lambda g: (g == 0).float().mean(), 0.9),
        ("maskout_low", lambda g: (g == 0).float().mean(), 0.1),
        ("cauchy_add_normal", lambda g: (g + 1).abs().median(), 1),
        ("noiseless", lambda g: g.mean(), -1),
    ],
)
def test_noise_of_a_line(noise, statistic, expected):
    field = make_field([alone(noise)], repetitions=40)
    gradients = torch.cat([field.gradient(field.start, step).flatten() for step in range(STEPS)])
    assert statistic(gradients).item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("noise", "change", "spread"),
    [
        ("noiseless", "scale_changes", 0.1),
        ("gauss_mul_low", "noise_changes", 0.5),
        ("noiseless", "offset_changes", 0.1),
    ],
)
def test_changes_come_every_ten_steps_and_are_about_the_stated_setting(noise, change, spread):
    field = make_field([alone(noise, change)], repetitions=300)
    if change == "noise_changes":
        plain = make_field([alone(noise)], repetitions=300)
        sizes = field.times.log().abs().reshape(10, PERIOD, -1).mean(1).log()
        assert plain.times.shape == field.times.shape
        assert sizes[1:].std().item() > 2 * sizes[0].std().item()
        return
    values = {"scale_changes": field.factor.log(), "offset_changes": field.offset}[change].reshape(10, PERIOD, -1)
    assert (values == values[:, :1]).all()
    assert (values[0] == 0).all()
    assert values[1:, 0].std().item() == pytest.approx(spread, rel=0.1)
    assert values[-1, 0].std().item() == pytest.approx(spread, rel=0.2)


def test_points_far_out_have_finite_gradients_and_no_progress_below_the_limit():
    field = make_field([variant for variant in grid() if variant.dimension == 1][::40], repetitions=1)
    x = torch.full((1, *field.shape), -1e30)
    assert field.gradient(x, 0).isfinite().all()
    assert field.progress(x).min() >= -1e10
    assert field.progress(torch.full_like(x, math.nan)).isnan().all()
