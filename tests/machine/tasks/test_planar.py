"""Planar classes: their shapes, the true probabilities of the moons, and both networks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from pytest_optbench.machine.tasks.planar import Spiral, TwoMoons, _half_circle, _moons, _moons_log_odds

STEP = torch.tensor(0.0)


def reference_network(parameters, *sizes):
    layers = [
        layer for fan_in, fan_out in itertools.pairwise(sizes) for layer in (nn.Linear(fan_in, fan_out), nn.Tanh())
    ]
    network = nn.Sequential(*layers[:-1]).double()
    for own, given in zip(network.parameters(), parameters.values(), strict=True):
        own.data = given
    return network


@pytest.fixture
def moons(instance):
    return instance(TwoMoons(), dtype=torch.float64)


@pytest.fixture
def spiral(instance):
    return instance(Spiral(), dtype=torch.float64)


def test_moons_are_those_of_scikit_learn_but_for_their_middle():
    points, labels = make_moons(40, shuffle=False)
    found = _half_circle(torch.tensor(labels), torch.linspace(0, 1, 20, dtype=torch.float64).repeat(2))
    torch.testing.assert_close(found, torch.tensor(points) - torch.tensor([0.5, 0.25]))


def test_log_odds_of_the_moons_are_calibrated():
    points, labels = _moons(torch.Generator().manual_seed(0), 4000)
    chances = _moons_log_odds(points.double()).sigmoid()
    for low, high in ((0, 0.2), (0.2, 0.8), (0.8, 1)):
        inside = (chances >= low) & (chances <= high)
        error = 4 * 0.5 / inside.sum().item() ** 0.5
        assert labels[inside].double().mean().item() == pytest.approx(chances[inside].mean().item(), abs=error)


def test_loss_of_the_moons_is_that_of_torchs_modules(moons):
    batch = moons.batch()
    log_odds = reference_network(moons.parameters, 2, 16, 1)(batch["points"]).squeeze(1)
    expected = binary_cross_entropy_with_logits(log_odds, (batch["labels"] + 1) / 2)
    torch.testing.assert_close(moons.task.loss(moons.parameters, moons.constants, batch), expected)


def test_evaluation_of_the_moons_is_the_divergence_from_the_true_probabilities(moons):
    points = moons.constants["upright"] @ moons.constants["turn"]
    log_odds = reference_network(moons.parameters, 2, 16, 1)(points).squeeze(1)
    truth, model = (
        torch.stack([odds.sigmoid(), (-odds).sigmoid()]).clamp(min=1e-300)
        for odds in (_moons_log_odds(moons.constants["upright"]), log_odds)
    )
    expected = (truth * (truth.log() - model.log())).sum(0).mean()
    torch.testing.assert_close(
        moons.task.evaluate(moons.parameters, moons.constants, STEP), expected, rtol=1e-5, atol=1e-6
    )


def test_turned_moons_are_as_far_apart_as_upright_ones(instance):
    turn = instance(TwoMoons(), dtype=torch.float64).constants["turn"]
    torch.testing.assert_close(turn @ turn.T, torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-6)


def test_arms_of_the_spiral_are_a_third_of_a_turn_apart(spiral):
    points, arms = spiral.constants["held_out"], spiral.constants["held_out_labels"]
    radius = points.norm(dim=1) / 2
    angles = torch.atan2(points[:, 1], points[:, 0]) - spiral.constants["angle"] - 2 * math.pi * 0.6 * radius
    rest = angles - 2 * math.pi * arms / 3
    assert torch.atan2(rest.sin(), rest.cos()).std().item() == pytest.approx(0.1, abs=0.03)
    assert 0.1 <= radius.min() <= radius.max() <= 1


def test_the_spiral_is_evaluated_on_points_of_its_own(spiral):
    logits = reference_network(spiral.parameters, 2, 24, 24, 3)(spiral.constants["held_out"])
    expected = cross_entropy(logits, spiral.constants["held_out_labels"])
    torch.testing.assert_close(spiral.task.evaluate(spiral.parameters, spiral.constants, STEP), expected)


def test_loss_of_the_spiral_is_that_of_torchs_modules(spiral):
    batch = spiral.batch()
    expected = cross_entropy(reference_network(spiral.parameters, 2, 24, 24, 3)(batch["points"]), batch["labels"])
    torch.testing.assert_close(spiral.task.loss(spiral.parameters, spiral.constants, batch), expected)
