"""Coordinates whose gradients vanish: values at known points, and which coordinates see a gradient."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.draws import apart
from pytest_optbench.machine.tasks.vanishing import DegeneratePowers, DependencyChain10, MinMaxWell10

EXACT = torch.float64


def moved(one, *offsets):
    """The parameters at these distances from what the task calls its centre."""
    return {"x": one.constants["centre"] + torch.tensor(offsets, dtype=EXACT)}


@pytest.mark.parametrize(
    ("task", "offsets", "expected"),
    [
        (DegeneratePowers(powers=2, copies=1), (3, 2), 3**2 + 2**4),
        (DegeneratePowers(powers=3, copies=1), (1, -1, 2), 1 + 1 + 2**6),
        (DegeneratePowers(powers=2, copies=2), (3, 1, 2, 0), (9 + 1 + 16) / 2),
        (DependencyChain10(links=1), (2, 3), 4 + 9 / 4.01),
        (DependencyChain10(links=2, epsilon=1), (1, 2, 3), 1 + 4 / 2 + 9 / 5),
        (MinMaxWell10(dimension=3), (2, -0.5, 1), 4 + 4 - 2),
        (MinMaxWell10(dimension=1), (-1,), 0),
    ],
    ids=str,
)
def test_value_of_the_formula(task, offsets, expected, instance):
    one = instance(task, dtype=EXACT)
    assert task.value(moved(one, *offsets), one.constants).item() == pytest.approx(expected)


def test_the_curvature_of_high_powers_vanishes_on_the_way(instance):
    task = DegeneratePowers(powers=3, copies=1)
    one = instance(task, dtype=EXACT)
    slopes = grad(task.value)(moved(one, 0.1, 0.1, 0.1), one.constants)["x"]
    torch.testing.assert_close(slopes, torch.tensor([0.2, 4e-3, 6e-5], dtype=EXACT))


def test_a_link_is_pushed_away_until_the_next_is_at_its_minimum(instance):
    task = DependencyChain10(links=1)
    one = instance(task, dtype=EXACT)
    pushed, released = (
        grad(task.value)(moved(one, 0.5, following), one.constants)["x"][0].item() for following in (1, 0)
    )
    assert pushed < 0 < released


def test_the_start_of_the_chain_is_at_another_distance_in_every_coordinate(instance):
    sizes = torch.stack([instance(DependencyChain10(), seed).constants["centre"].abs() for seed in range(100)])
    assert 0.5 <= sizes.min() < 0.51
    assert 1.49 < sizes.max() <= 1.5


def test_only_the_largest_and_the_smallest_coordinate_of_the_well_see_a_gradient(instance):
    task = MinMaxWell10()
    one = instance(task)
    distances = (one.parameters["x"] - one.constants["centre"]).abs()
    slopes = task.gradient(one.parameters, one.constants, {})[1]["x"]
    assert set(slopes.nonzero().flatten().tolist()) == {distances.argmax().item(), distances.argmin().item()}


def test_numbers_apart_have_random_signs_and_uniform_sizes():
    found = apart(torch.Generator().manual_seed(0), 2.0, 4.0, 10_000)
    assert found.abs().min() >= 2
    assert found.abs().max() < 4
    assert found.abs().mean().item() == pytest.approx(3, abs=0.03)
    assert (found > 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
