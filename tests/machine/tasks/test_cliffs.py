"""The cliff: its value at known points, and how much steeper the wall is than the floor."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.cliffs import GradientCliff

EXACT = torch.float64


@pytest.mark.parametrize(("rate", "s"), [(6.0, 1.0), (6.0, -1.0), (6.0, 0.5), (2.0, 1.5), (6.0, 0.0)])
def test_value_along_the_normal_of_the_wall(rate, s, instance):
    task = GradientCliff(rate=rate)
    one = instance(task, dtype=EXACT)
    at = {"x": one.constants["centre"] + s * one.constants["normal"]}
    wall = math.exp(rate * (s - 0.5)) - math.exp(-rate / 2) * (1 + rate * s)
    expected = 0.5 * s**2 + wall
    assert task.value(at, one.constants).item() == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_start_is_on_the_wall_at_a_random_distance_along_it(instance):
    ones = [instance(GradientCliff(), seed) for seed in range(100)]
    heights = torch.stack([(one.parameters["x"] - one.constants["centre"]) @ one.constants["normal"] for one in ones])
    assert heights.mean().item() == pytest.approx(1, abs=0.02)
    assert heights.std().item() == pytest.approx(0.05, rel=0.2)
    lengths = torch.stack([(one.constants["centre"] + one.constants["normal"]).square().sum() for one in ones])
    assert lengths.mean().item() == pytest.approx(9, rel=0.15)


def test_the_first_gradient_is_a_hundred_times_what_it_is_across_the_bowl(instance):
    task = GradientCliff()
    ratios = []
    for seed in range(20):
        one = instance(task, seed)
        first, floor = (
            grad(task.value)(at, one.constants)["x"].norm()
            for at in (one.parameters, {"x": one.constants["centre"] - one.constants["normal"]})
        )
        ratios.append((first / floor).item())
    assert 50 < sorted(ratios)[10] < 200
