"""Noise: the statistics of what is done to gradients, and the closed forms of what descent through it comes to."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.noise import HeavyTailBowl10, MaskoutBowl10, OutlierSpikes
from pytest_optbench.machine.tasks.noisy_classics import NoisyBeale2, NoisyBranin2, NoisyQuadratic100, NoisyRosenbrock2

EXACT = torch.float64
STEP = torch.tensor(0.0)


def noises(task, instance, seeds=32):
    return torch.cat([instance(task, seed).block["noise"] for seed in range(seeds)])


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_heavy_tails_are_those_of_cauchy(scale, instance):
    found = noises(HeavyTailBowl10(noise=scale), instance).flatten() / scale
    assert found.median().item() == pytest.approx(0, abs=0.05)
    assert found.abs().median().item() == pytest.approx(1, rel=0.05)
    assert (found.abs() > 10).float().mean().item() == pytest.approx(2 * math.atan(0.1) / math.pi, rel=0.1)


@pytest.mark.parametrize("masked", [0.9, 0.3])
def test_masks_leave_their_share(masked, instance):
    found = noises(MaskoutBowl10(masked=masked), instance)
    assert set(found.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(found.mean(0), torch.full((10,), 1 - masked), rtol=0, atol=0.05)


def test_spikes_are_the_more_frequent_the_later_the_coordinate(instance):
    found = noises(OutlierSpikes(), instance)
    assert set(found.flatten().tolist()) == {1.0, 32768.0}
    torch.testing.assert_close((found > 1).float().mean(0), torch.arange(1, 11) / 11, rtol=0, atol=0.05)


@pytest.mark.parametrize("task", [MaskoutBowl10(), OutlierSpikes()], ids=lambda task: task.name)
def test_factors_multiply_the_gradient_of_their_coordinate(task, instance):
    one = instance(task)
    gradient = task.gradient(one.parameters, one.constants, one.batch(3))[1]
    seen, _ = task.transform(gradient, one.parameters, one.constants, one.batch(3), {})
    away = one.parameters["x"] - one.constants["centre"]
    torch.testing.assert_close(seen["x"], away * one.batch(3)["noise"])


@pytest.mark.parametrize(
    "task", [HeavyTailBowl10(), NoisyRosenbrock2(), NoisyBeale2(), NoisyBranin2()], ids=lambda task: task.name
)
def test_noise_is_what_the_gradient_has_beyond_the_gradient_of_the_evaluation(task, instance):
    one = instance(task, seed=1, dtype=EXACT)
    found = task.gradient(one.parameters, one.constants, one.batch(9))[1]
    clean = grad(task.evaluate)(one.parameters, one.constants, STEP)
    torch.testing.assert_close(found["x"] - clean["x"], one.batch(9)["noise"])


@pytest.mark.parametrize(
    "task", [NoisyRosenbrock2(), NoisyBeale2(), NoisyBranin2(), NoisyRosenbrock2(noise=0.2)], ids=str
)
def test_classics_are_seen_through_gaussian_noise(task, instance):
    found = noises(task, instance)
    assert found.mean().item() == pytest.approx(0, abs=0.05 * task.noise)
    assert found.std().item() == pytest.approx(task.noise, rel=0.05)


@pytest.mark.parametrize("x", [-math.pi, math.pi, 3 * math.pi])
def test_all_minima_of_branin_are_at_zero(x):
    y = 5.1 / (4 * math.pi**2) * x**2 - 5 / math.pi * x + 6
    assert y == pytest.approx({-math.pi: 12.275, math.pi: 2.275, 3 * math.pi: 2.475}[x])
    at = {"x": torch.tensor([x, y], dtype=EXACT)}
    assert NoisyBranin2().value(at, {}).item() == pytest.approx(0, abs=1e-12)


def test_value_of_branin_at_the_origin():
    assert NoisyBranin2().value({"x": torch.zeros(2, dtype=EXACT)}, {}).item() == pytest.approx(55.602113 - 0.397887)


def test_eigenvalues_of_the_noisy_quadratic_are_those_of_deepobs(instance):
    found = torch.linalg.eigvalsh(instance(NoisyQuadratic100(), dtype=EXACT).constants["Q"])
    assert -1e-5 < found[0] < found[89] < 1.001
    assert 29.9 < found[90] < found[99] < 60.1


@pytest.mark.parametrize("learning_rate", [0.01, 0.02])
def test_descent_on_the_noisy_quadratic_stays_at_its_closed_form(learning_rate, instance):
    """Only the steep part, which gets there within a few steps."""
    task = NoisyQuadratic100()
    values, expected = [], []
    for seed in range(3):
        one = instance(task, seed)
        steep = torch.linalg.eigvalsh(one.constants["Q"].to(EXACT))[-10:]
        variance = 0.6**2 / 128
        expected.append((0.5 * learning_rate * steep**2 * variance / (2 - learning_rate * steep)).sum().item())
        x = one.constants["centre"]
        for step in range(64):
            gradient = task.gradient({"x": x}, one.constants, one.batch(step))[1]
            x = x - learning_rate * gradient["x"]
            if step >= 20:
                values.append(task.evaluate({"x": x}, one.constants, STEP).item())
    assert sum(values) / len(values) == pytest.approx(sum(expected) / len(expected), rel=0.2)
