"""Transformed bowls: values at known points, and what the transformation does to ways and slopes."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.tasks.transformed import LogObjective, ReparamScale

EXACT = torch.float64


def test_both_layers_count_the_same_in_their_own_units(instance):
    task = ReparamScale()
    one = instance(task, dtype=EXACT)
    solution = {name: tensor.clone() for name, tensor in task.solution(one.constants, 0).items()}
    for name, unit in (("small", 0.1), ("large", 10.0)):
        away = {**solution, name: solution[name] + 2 * unit}
        assert task.value(away, one.constants).item() == pytest.approx(0.5 * 32 * 4)


@pytest.mark.parametrize("scale", [10.0, 3.0])
def test_the_way_is_longer_and_the_slope_flatter_by_the_square_of_the_scale(scale, instance):
    task = ReparamScale(scale_of_y=scale)
    ways, slopes = [], []
    for seed in range(30):
        one = instance(task, seed)
        solution = task.solution(one.constants, 0)
        gradient = task.gradient(one.parameters, one.constants, {})[1]
        ways.append([(one.parameters[name] - solution[name]).norm() for name in ("small", "large")])
        slopes.append([gradient[name].norm() for name in ("large", "small")])
    for ratios in (torch.tensor(ways), torch.tensor(slopes)):
        small, large = ratios.mean(0).tolist()
        assert large / small == pytest.approx(scale**2, rel=0.1)


@pytest.mark.parametrize(("epsilon", "distance"), [(1e-4, 0.0), (1e-4, 2.0), (0.5, 1.0)])
def test_value_of_the_logarithm(epsilon, distance, instance):
    task = LogObjective(dimension=1, epsilon=epsilon)
    one = instance(task, dtype=EXACT)
    at = {"x": one.constants["centre"] + distance}
    expected = math.log(distance**2 / 2 + epsilon) - math.log(epsilon)
    assert task.value(at, one.constants).item() == pytest.approx(expected, abs=1e-12)


def test_the_slope_of_the_logarithm_grows_on_the_way_and_peaks_near_the_minimum(instance):
    task = LogObjective(dimension=1)
    one = instance(task, dtype=EXACT)
    peak = math.sqrt(2e-4)

    def slope(distance):
        return task.gradient({"x": one.constants["centre"] + distance}, one.constants, {})[1]["x"].item()

    assert slope(peak) == pytest.approx(1 / peak)
    assert slope(1) < slope(0.1) < slope(peak) > slope(0.1 * peak)
