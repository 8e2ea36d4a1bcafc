"""Parity: its labels, their flips, and the entropy that they leave."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pytest_optbench.machine.tasks.parity import XorFlip

TASK = XorFlip()
STEP = torch.tensor(0.0)


def reference_log_odds(parameters, inputs):
    network = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1)).double()
    for own, given in zip(network.parameters(), parameters.values(), strict=True):
        own.data = given
    return network(inputs).squeeze(1)


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def test_optimum_is_the_entropy_of_a_flip():
    assert pytest.approx(-0.1 * math.log(0.1) - 0.9 * math.log(0.9), abs=1e-8) == TASK.optimum


@pytest.mark.parametrize("inputs", [4, 6, 8])
def test_every_input_is_evaluated_once(inputs, instance):
    bits = instance(XorFlip(inputs=inputs)).constants["bits"]
    assert bits.unique().tolist() == [-1, 1]
    assert len(bits.unique(dim=0)) == len(bits) == 2**inputs


def test_parity_is_that_of_the_number_of_ones_among_four_bits(one):
    odd = (one.constants["bits"][:, :4] > 0).sum(1) % 2 == 1
    assert torch.equal(one.constants["parity"] < 0, odd)


def test_one_label_in_ten_is_flipped(instance):
    blocks = [instance(TASK, seed).block for seed in range(4)]
    flipped = torch.cat([(block["inputs"][..., :4].prod(-1) != block["labels"]).flatten() for block in blocks])
    assert flipped.float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_inputs_of_a_batch_are_fair_and_independent_bits(instance):
    inputs = torch.cat([instance(TASK, seed).block["inputs"].flatten(0, 1) for seed in range(4)])
    torch.testing.assert_close(inputs.T @ inputs / len(inputs), torch.eye(6), rtol=0, atol=0.03)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(6), rtol=0, atol=0.03)


def test_loss_is_that_of_torchs_modules(one):
    batch = one.batch()
    expected = binary_cross_entropy_with_logits(
        reference_log_odds(one.parameters, batch["inputs"]), (batch["labels"] + 1) / 2
    )
    torch.testing.assert_close(TASK.loss(one.parameters, one.constants, batch), expected)


def test_evaluation_weighs_both_labels_of_every_input(one):
    truth = torch.where(one.constants["parity"] > 0, 0.9, 0.1).double()
    expected = binary_cross_entropy_with_logits(reference_log_odds(one.parameters, one.constants["bits"]), truth)
    torch.testing.assert_close(TASK.evaluate(one.parameters, one.constants, STEP), expected)


@pytest.mark.parametrize("width", [4, 32])
def test_solution_predicts_the_true_log_odds(width, instance):
    task = XorFlip(width=width)
    constants = instance(task).constants
    metrics = task.metrics(task.solution(constants, 0), constants)
    assert task.evaluate(task.solution(constants, 0), constants, STEP).item() == pytest.approx(task.optimum, abs=1e-6)
    assert metrics["accuracy"] == 1
    assert metrics["calibration_error"].item() == pytest.approx(0.1, abs=1e-5)


def test_no_group_of_fewer_bits_tells_anything_about_the_parity(one):
    bits = one.constants["bits"]
    for left_out in range(4):
        others = [bit for bit in range(4) if bit != left_out]
        assert (bits[:, others].prod(1) * one.constants["parity"]).sum() == 0
