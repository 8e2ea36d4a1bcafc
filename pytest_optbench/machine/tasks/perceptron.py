"""Perceptrons: fully connected ReLU networks, with the samples in the last dimension."""

from __future__ import annotations

import itertools

import torch
from torch import Generator, Tensor

from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.task import Tensors


def started(generator: Generator, *sizes: int) -> Tensors:
    """`weight_k` (out, in) as He et al. 2015 (arXiv 1502.01852) and `bias_k` (out,) at 0, for k = 0, 1 ..."""
    parameters: Tensors = {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        parameters[f"weight_{layer}"] = normal(generator, fan_out, fan_in) * (2 / fan_in) ** 0.5
        parameters[f"bias_{layer}"] = torch.zeros(fan_out)
    return parameters


def outputs(parameters: Tensors, inputs: Tensor) -> Tensor:
    """Outputs (out, n) for `inputs` (in, n); the last layer is linear."""
    hidden = hidden_units(parameters, inputs)
    last = len(hidden)
    return parameters[f"weight_{last}"] @ (hidden[-1] if hidden else inputs) + parameters[f"bias_{last}"][:, None]


def hidden_units(parameters: Tensors, inputs: Tensor) -> list[Tensor]:
    """The units (width, n) of every hidden layer for `inputs` (in, n)."""
    layers, units = [], inputs
    for layer in range(len(parameters) // 2 - 1):
        units = (parameters[f"weight_{layer}"] @ units + parameters[f"bias_{layer}"][:, None]).relu()
        layers.append(units)
    return layers


def dead_units(parameters: Tensors, inputs: Tensor) -> Tensor:
    """The share of hidden units that are zero for all `inputs` (in, n); 0-dim."""
    units = torch.cat(hidden_units(parameters, inputs))
    return (units.amax(1) <= 0).to(units.dtype).mean()
