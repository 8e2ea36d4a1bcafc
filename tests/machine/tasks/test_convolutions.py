"""Convolutions: matrix products of patches against torch's own convolution."""

from __future__ import annotations

import torch
from torch.nn.functional import conv2d, linear

from pytest_optbench.machine.tasks.convolutions import DigitsConv2c
from pytest_optbench.machine.tasks.images import data_set

TASK = DigitsConv2c()


def test_logits_are_those_of_torchs_convolutions(instance):
    one = instance(TASK, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    p = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        for name, tensor in one.parameters.items()
    }
    images = data_set()["images"][:50].double().view(50, 1, 8, 8)
    first = conv2d(images, p["kernel_0"], p["bias_0"], stride=2, padding=1).relu()
    second = conv2d(first, p["kernel_1"], p["bias_1"], stride=2, padding=1).relu()
    expected = linear(second.flatten(1), p["weight_2"], p["bias_2"])
    torch.testing.assert_close(TASK.logits(p, one.constants["images"][:50]).T, expected)


def test_maps_that_are_never_positive_count_as_dead(instance):
    one = instance(TASK)
    parameters = {**one.parameters, "bias_0": torch.full((4,), -100.0)}
    assert TASK.diagnostics(one.parameters, one.constants)["dead_units"] < 0.5
    # Where the first layer is silent, so is the second: its biases start at zero.
    assert TASK.diagnostics(parameters, one.constants)["dead_units"] == 1
