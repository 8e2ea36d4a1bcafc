"""Plasticity: a network that has to learn one labelling after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.images import TRAINING_SAMPLES, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.perceptron import dead_units, outputs, started
from pytest_optbench.machine.tasks.task import Task, Tensors

LABELLINGS = 32
SEEN = 240
"""Training images of the evaluation."""
HANDICAPPED = 500


@dataclass(frozen=True)
class Plasticity(Task):
    """f(t) = mean cross-entropy of a 64-32-10 network with ReLU, where the labels are permuted anew every 100 steps.

    Source: the plasticity task of LightBench; continual learning as in Lyle et al. 2023, arXiv 2303.01486.
    Shapes: weights (32, 64), (10, 32), biases (32,), (10,); a batch is 48 indices of training images, drawn with
    replacement, and their labels of the time. Weights start as He et al. 2015 (arXiv 1502.01852), biases at 0. 32
    permutations of the labels are drawn per seed, and come round again after the last.
    Optimum: unknown, so the target is relative to the references.

    The evaluation is the cross-entropy of 240 training images by the labels of the last step, averaged over the
    last 34 evaluations: about a labelling. On top of it comes a handicap that falls from
    log 10, the loss of guessing, to 0 in 500 steps: without it, every optimizer would be at its best at the end of the
    first labelling, before anything has been unlearned. With it, 0.1 less loss is worth 22 steps.

    Exposes step sizes that learn one labelling at the expense of the next: at lr 0.01, on batches of 64, AdamW ends
    labellings at 0.15, 0.18, 0.22 .. 0.65, and at 0.03, it has no unit alive after eight of them.
    """

    name: ClassVar[str] = "plasticity"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "nonstationary"})
    source: ClassVar[str] = "plasticity of LightBench; Lyle et al. 2023 (arXiv 2303.01486)"
    horizon: ClassVar[int] = 600
    window: ClassVar[int] = 34
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (4.0, 6.3), "dead_units": (0.0, 0.5)}
    )

    width: int = knob(32, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(48, least=1)
    period: int = knob(100, least=1)
    """Steps for which labels stay the same."""

    def shared(self) -> Tensors:
        return data_set()

    def private(self, streams: Streams) -> Tensors:
        orders = [torch.randperm(10, generator=streams.data) for _ in range(LABELLINGS)]
        return {"labellings": torch.stack(orders)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return started(streams.init, 64, self.width, 10)

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        rows = torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data)
        labelling = constants["labellings"][torch.arange(start, start + steps) // self.period % LABELLINGS]
        return {"rows": rows, "targets": labelling.gather(1, constants["labels"][rows])}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        logits = outputs(parameters, constants["images"][batch["rows"]].T)
        return cross_entropy(logits[None], batch["targets"][None])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        current = torch.div((step - 1).clamp(min=0), self.period, rounding_mode="floor") % LABELLINGS
        here = torch.arange(LABELLINGS, device=step.device) == current
        labelling = (here[:, None] * constants["labellings"]).sum(0)
        logits = outputs(parameters, constants["images"][:SEEN].T)
        handicap = math.log(10) * (1 - step / HANDICAPPED).clamp(min=0)
        return cross_entropy(logits[None], labelling[constants["labels"][:SEEN]][None]) + handicap

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["images"][:SEEN].T)}
