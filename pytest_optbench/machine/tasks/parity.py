"""Parity: labels that no single bit, and no group of bits but one, says anything about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

FLIPPED = 0.1
BITS = 4
"""How many of the inputs, the first ones, the parity is of."""


@dataclass(frozen=True)
class XorFlip(Task):
    """f = mean log(1 + exp(-y z(x))), z a 6-32-1 ReLU network of bits x, y the parity of 4 of them, 10 % flipped.

    Source: the xor task of LightBench; parity as a hard case for gradients in Shalev-Shwartz et al. 2017, arXiv
    1703.07950.
    Shapes: weights (32, 6), (1, 32) as He et al. 2015 (arXiv 1502.01852), biases (32,), (1,) at 0; a batch is 128
    inputs of ±1 (128, 6), drawn anew, and their labels of ±1 (128,). The last two bits tell nothing.
    Optimum: f* = 0.32508297, the entropy of a flip, since no prediction is better than the true log odds ±log 9. The
    solution has them: they are piecewise linear in the sum of the four bits, with one unit for each piece.

    The evaluation is exact: all 64 inputs, each with both labels at their probabilities. Exposes a descent whose first
    part has next to no slope, under labels that are wrong one time in ten.
    """

    name: ClassVar[str] = "xor_flip"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "plateau"})
    source: ClassVar[str] = "xor of LightBench; Shalev-Shwartz et al. 2017 (arXiv 1703.07950)"
    optimum: ClassVar[float | None] = 0.32508297
    horizon: ClassVar[int] = 600

    inputs: int = knob(6, least=BITS, most=12)
    width: int = knob(32, least=BITS, harder="less")
    """Units of the hidden layer."""
    batch_size: int = knob(128, least=1)

    def shared(self) -> Tensors:
        numbers = torch.arange(2**self.inputs)[:, None]
        bits = (2 * (numbers >> torch.arange(self.inputs) & 1) - 1).to(torch.float32)
        return {"bits": bits, "parity": bits[:, :BITS].prod(1)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, self.inputs) * (2 / self.inputs) ** 0.5,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, 1, self.width) * (2 / self.width) ** 0.5,
            "bias_1": torch.zeros(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        inputs = 1 - 2 * torch.randint(2, (steps, self.batch_size, self.inputs), generator=streams.data).float()
        flips = 1 - 2 * (uniform(streams.data, steps, self.batch_size) < FLIPPED).float()
        return {"inputs": inputs, "labels": inputs[..., :BITS].prod(-1) * flips}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return softplus(-batch["labels"] * _log_odds(parameters, batch["inputs"])).mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        correct = constants["parity"] * _log_odds(parameters, constants["bits"])
        return ((1 - FLIPPED) * softplus(-correct) + FLIPPED * softplus(correct)).mean()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        log_odds = _log_odds(parameters, constants["bits"])
        logits = torch.stack([torch.zeros_like(log_odds), log_odds], dim=1)
        return classification_metrics(logits, (constants["parity"] > 0).long())

    def solution(self, constants: Tensors, step: int) -> Tensors:
        # The sum of the bits is -4, -2, .. 4, and the odds alternate: unit k bends the line at -4 + 2k.
        ends = math.log(1 / FLIPPED - 1) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])
        slopes = ends.diff() / 2
        weight_0, bias_0, weight_1 = (
            torch.zeros(self.width, self.inputs),
            torch.zeros(self.width),
            torch.zeros(self.width),
        )
        weight_0[:BITS, :BITS] = 1
        bias_0[:BITS] = BITS - 2 * torch.arange(BITS)
        weight_1[:BITS] = slopes.diff(prepend=torch.zeros(1))
        return {"weight_0": weight_0, "bias_0": bias_0, "weight_1": weight_1[None], "bias_1": ends[:1].clone()}


def _log_odds(parameters: Tensors, inputs: Tensor) -> Tensor:
    """The network's log odds of label 1 (n,) for `inputs` (n, bits)."""
    hidden = (parameters["weight_0"] @ inputs.T + parameters["bias_0"][:, None]).relu()
    return (parameters["weight_1"] @ hidden + parameters["bias_1"][:, None])[0]
