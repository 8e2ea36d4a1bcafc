"""Adversarial training: the equilibrium, who descends what, and the turned digits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad
from torch.nn.functional import binary_cross_entropy_with_logits

from pytest_optbench.machine.tasks.adversarial import DomainAdversarialDigits, GaussGan, _domains, _features, _turning

GAN, DIGITS = GaussGan(), DomainAdversarialDigits()
STEP = torch.tensor(0.0)


def test_value_of_the_game_at_the_equilibrium(instance):
    one = instance(GAN)
    loss = GAN.loss(GAN.solution(one.constants, 0), one.constants, one.batch())
    assert loss.item() == pytest.approx(3 * math.log(2), abs=1e-6)


def test_equilibrium_is_a_rest_point_in_expectation(instance):
    one = instance(GaussGan(batch_size=10_000))
    _, gradient = one.task.gradient(one.task.solution(one.constants, 0), one.constants, one.batch())
    assert max(tensor.abs().max() for tensor in gradient.values()) < 0.05
    _, gradient = one.task.gradient(one.parameters, one.constants, one.batch())
    assert gradient["weight"].abs().max() > 0.2


def test_generator_follows_the_discriminator_to_the_data(instance):
    one = instance(GAN)
    parameters = {**one.parameters, "weight": torch.tensor([1.0, 0.0]), "bias": torch.zeros(1)}
    _, gradient = GAN.gradient(parameters, one.constants, one.batch())
    assert gradient["mean"] < 0


def test_turning_by_a_map_keeps_the_middle_and_drops_the_corners():
    turning = torch.tensor(_turning()).view(8, 8, 64)
    assert turning[3:5, 3:5].sum(-1).flatten().tolist() == pytest.approx([1.0] * 4)
    assert turning.sum(-1).max() < 1 + 1e-6
    assert turning[0, 0].sum() == 0


def test_features_descend_against_the_domain_head(instance):
    one = instance(DIGITS, dtype=torch.float64)
    batch = one.batch()

    def domain_loss(parameters):
        upright = _domains(parameters, _features(parameters, one.constants["images"][batch["rows"]]))
        turned = _domains(parameters, _features(parameters, one.constants["turned"][batch["turned_rows"]]))
        answers = torch.cat([torch.ones_like(upright), torch.zeros_like(turned)])
        return binary_cross_entropy_with_logits(torch.cat([upright, turned]), answers)

    expected = grad(domain_loss)(one.parameters)
    reversed_, plain = (
        DomainAdversarialDigits(reversal=reversal).gradient(one.parameters, one.constants, batch)[1]
        for reversal in (0.3, 0.0)
    )
    torch.testing.assert_close(reversed_["features"], plain["features"] - 0.3 * expected["features"])
    torch.testing.assert_close(reversed_["domain_0"], 0.3 * expected["domain_0"])
    torch.testing.assert_close(reversed_["label"], plain["label"])


def test_no_feature_starts_dead(instance):
    one = instance(DIGITS)
    assert DIGITS.diagnostics(one.parameters, one.constants)["dead_units"] < 0.2
    dead = {**one.parameters, "features_bias": torch.full((32,), -100.0)}
    assert DIGITS.diagnostics(dead, one.constants)["dead_units"] == 1
