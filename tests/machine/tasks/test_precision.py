"""Low precision: where the grid of the parameters lies, and what it costs."""

from __future__ import annotations

import torch

from pytest_optbench.machine.tasks.precision import Bf16Quadratic20

STEP = torch.tensor(0.0)
SEEDS = range(64)


def at_best_grid_point(task, one):
    rounded = {"x": one.constants["centre"].to(torch.bfloat16)}
    return task.evaluate(rounded, one.constants, STEP).item()


def test_starts_are_on_the_grid(instance):
    starts = torch.stack([instance(Bf16Quadratic20(), seed).parameters["x"] for seed in SEEDS])
    assert torch.equal(starts, starts.to(torch.bfloat16).float())


def test_minima_are_not_on_the_grid(instance):
    centres = torch.stack([instance(Bf16Quadratic20(), seed).constants["centre"] for seed in SEEDS])
    assert (centres != centres.to(torch.bfloat16).float()).all(1).float().mean() > 0.9


def test_no_neighbour_on_the_grid_is_better_than_the_rounded_minimum(instance):
    task = Bf16Quadratic20()
    one = instance(task)
    best = at_best_grid_point(task, one)
    rounded = one.constants["centre"].to(torch.bfloat16)
    for direction in (1, -1):
        # Neighbours of a bfloat16 number differ by one in its last bit.
        neighbours = (rounded.view(torch.int16) + direction).view(torch.bfloat16)
        for k in range(20):
            other = torch.where(torch.arange(20) == k, neighbours, rounded)
            assert task.evaluate({"x": other}, one.constants, STEP).item() > best


def test_the_best_grid_point_is_below_the_hardest_level(instance):
    task = Bf16Quadratic20()
    ones = [instance(task, seed) for seed in SEEDS]
    best = torch.tensor([at_best_grid_point(task, one) for one in ones])
    start = torch.tensor([task.evaluate(one.parameters, one.constants, STEP).item() for one in ones])
    assert 5 * best.max() < 1e-4 * start.median()
    assert 20 * best.median() < 1e-4 * start.median()


def test_the_value_is_computed_in_the_type_of_the_data(instance):
    task = Bf16Quadratic20()
    one = instance(task)
    parameters = {"x": one.parameters["x"].to(torch.bfloat16)}
    value, gradient = task.gradient(parameters, one.constants, {})
    assert (value.dtype, gradient["x"].dtype) == (torch.float32, torch.bfloat16)
    assert value.item() == task.evaluate(one.parameters, one.constants, STEP).item()
