"""Recurrent tasks: their data, and their networks against step-by-step recurrences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pytest_optbench.machine.tasks.recurrent import Adding20, Copy20, lstm

ADDING, COPY = Adding20(), Copy20()
STEP = torch.tensor(0.0)


def displaced(one):
    generator = torch.Generator().manual_seed(0)
    return {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in one.parameters.items()
    }


def test_one_mark_lies_in_each_half(instance):
    marks = instance(ADDING).block["sequences"][:, 1]
    assert marks.shape == (64, 20, 16)
    assert (marks[:, :10].sum(1) == 1).all()
    assert (marks[:, 10:].sum(1) == 1).all()
    assert marks.amax((0, 2)).all()  # at every place, some time


def test_whoever_says_one_is_left_with_a_sixth(instance):
    sums = torch.cat([instance(ADDING, seed).block["sequences"].prod(1).sum(1).flatten() for seed in range(8)])
    assert (sums - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.05)


def test_the_solved_recurrence_is_the_recurrence(instance):
    one = instance(ADDING, dtype=torch.float64)
    p, sequences = displaced(one), one.batch()["sequences"]
    cells = torch.zeros(6, 16, dtype=torch.float64)
    for step in range(20):
        sums = p["input"] @ sequences[:, step] + p["bias"][:, None]
        forget, enter, candidate = sums.split(6)
        cells = forget.sigmoid() * cells + enter.sigmoid() * candidate.tanh()
    expected = (p["output"] @ cells)[0] + p["output_bias"]
    error = (expected - sequences.prod(0).sum(0)).square().mean()
    torch.testing.assert_close(ADDING.loss(p, one.constants, one.batch()), error)


def test_logits_of_the_copier_are_those_of_torchs_network(instance):
    one = instance(COPY, dtype=torch.float64)
    p, symbols = displaced(one), one.batch()["symbols"]
    network = nn.RNN(4, 24, dtype=torch.float64)
    network.weight_ih_l0.data, network.weight_hh_l0.data = p["input"], p["recurrent"]
    network.bias_ih_l0.data, network.bias_hh_l0.data = p["bias"], torch.zeros(24, dtype=torch.float64)
    shown = torch.cat([nn.functional.one_hot(symbols, 4).double(), torch.zeros(18, 16, 4, dtype=torch.float64)])
    recalled = network(shown)[0][-2:] @ p["output"].T + p["output_bias"]
    expected = nn.functional.cross_entropy(recalled.flatten(0, 1), symbols.flatten())
    assert len(shown) == 20
    torch.testing.assert_close(COPY.loss(p, one.constants, one.batch()), expected)


def test_a_copier_without_weights_has_the_trivial_loss(instance):
    one = instance(COPY)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in one.parameters.items()}
    assert COPY.evaluate(zeros, one.constants, STEP).item() == pytest.approx(math.log(4))


def test_the_published_trivial_loss_counts_the_blanks():
    assert 10 * math.log(8) / 40 == pytest.approx(0.519860, abs=1e-6)


def test_examples_are_symbols_beside_what_is_recalled(instance):
    one = instance(COPY)
    favourite = {**one.parameters, "output_bias": torch.tensor([0.0, 0.0, 100.0, 0.0])}
    examples = COPY.examples(favourite, one.constants)
    assert torch.equal(examples["symbols"], one.constants["all"].T[:8])
    assert torch.equal(examples["recalled"], torch.full((8, 2), 2))


def test_states_are_those_of_torchs_lstm():
    generator = torch.Generator().manual_seed(0)
    recurrent, entering = torch.randn(12, 3, generator=generator), torch.randn(5, 12, 7, generator=generator)
    network = nn.LSTM(12, 3)
    # Torch has the order input, forget, candidate, output.
    order = [*range(3, 6), *range(3), *range(9, 12), *range(6, 9)]
    network.weight_ih_l0.data, network.weight_hh_l0.data = torch.eye(12)[order], recurrent[order]
    network.bias_ih_l0.data.zero_()
    network.bias_hh_l0.data.zero_()
    expected = network(entering.mT)[0].mT
    torch.testing.assert_close(torch.stack(lstm(recurrent, entering.unbind())), expected)
