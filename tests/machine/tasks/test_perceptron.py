"""Perceptrons: against torch's modules, their start, and their dead units."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_optbench.machine.tasks.perceptron import dead_units, hidden_units, outputs, started


@pytest.fixture
def parameters():
    generator = torch.Generator().manual_seed(0)
    return {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in started(generator, 5, 7, 6, 3).items()
    }


def test_outputs_are_those_of_torchs_modules(parameters):
    network = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3))
    for own, given in zip(network.parameters(), parameters.values(), strict=True):
        own.data = given
    inputs = torch.randn(11, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(outputs(parameters, inputs.T), network(inputs).T)


def test_without_a_hidden_layer_outputs_are_linear():
    parameters = {"weight_0": torch.eye(2), "bias_0": torch.tensor([1.0, -1.0])}
    assert outputs(parameters, torch.tensor([[2.0], [-3.0]])).tolist() == [[3.0], [-4.0]]


def test_a_start_keeps_the_size_of_what_passes_through():
    parameters = started(torch.Generator().manual_seed(0), 500, 400, 300, 200)
    inputs = torch.randn(500, 50, generator=torch.Generator().manual_seed(1))
    sizes = [units.square().mean().item() for units in hidden_units(parameters, inputs)]
    assert sizes == pytest.approx([1.0, 1.0], abs=0.15)
    assert not any(tensor.any() for name, tensor in parameters.items() if name.startswith("bias"))


def test_units_are_dead_that_are_zero_on_all_inputs(parameters):
    inputs = torch.randn(5, 40, generator=torch.Generator().manual_seed(1))
    bias = parameters["bias_1"].clone()
    bias[:2] = -100
    before = dead_units(parameters, inputs).item()
    after = dead_units({**parameters, "bias_1": bias}, inputs).item()
    assert before == 0
    assert after == pytest.approx(2 / 13)
