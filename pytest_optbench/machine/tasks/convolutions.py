"""Convolutional networks on handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import unfold

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.digits import DigitsTask, dead_share
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.images import data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors

KERNEL = 9
"""Places of a 3x3 kernel."""


@dataclass(frozen=True)
class DigitsConv2c(DigitsTask):
    """f = mean cross-entropy of two 3x3 convolutions of stride 2 with ReLU and a dense layer, on minibatches of 32.

    Source: the 2c2d network of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), small; strides instead of pooling as
    in Springenberg et al. 2015 (arXiv 1412.6806), which leaves a quarter of the arithmetic.
    Shapes: kernels (4, 1, 3, 3), (8, 4, 3, 3); weight (10, 32); biases (4,), (8,), (10,) at 0, but the first at
    0.1: where an image is blank, a sum of zero would sit on the kink of ReLU. Images of 8x8 pixels
    shrink to 4x4 and 2x2. Kernels start as He et al. 2015 (arXiv 1502.01852), the last weight as N(0, 1/32); a batch is
    32 indices of training images, drawn with replacement.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    Exposes parameters of four dimensions, each of whose entries works at many places. A convolution is computed as the
    matrix product of kernels and patches. Evaluated are 120 images, since each is worth as much time as several in a
    dense network.
    """

    name: ClassVar[str] = "digits_conv2c"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "convolution"})
    source: ClassVar[str] = "2c2d of DeepOBS (Schneider et al. 2019, arXiv 1903.05499), on scikit-learn's digits"
    horizon: ClassVar[int] = 200
    evaluated: ClassVar[int] = 120
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (2.2, 4.0), "dead_units": (0.0, 0.5)}
    )

    batch_size: int = knob(32, least=2)
    channels: int = knob(4, least=1)
    """Of the first layer; the second has twice as many."""

    def shared(self) -> Tensors:
        data = data_set()
        return {**data, "images": _patches(data["images"].view(-1, 1, 8, 8))}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        first, second = self.channels, 2 * self.channels
        return {
            "kernel_0": normal(streams.init, first, 1, 3, 3) * (2 / KERNEL) ** 0.5,
            "bias_0": torch.full((first,), 0.1),
            "kernel_1": normal(streams.init, second, first, 3, 3) * (2 / (first * KERNEL)) ** 0.5,
            "bias_1": torch.zeros(second),
            "weight_2": normal(streams.init, 10, 4 * second) * (4 * second) ** -0.5,
            "bias_2": torch.zeros(10),
        }

    def logits(self, parameters: Tensors, images: Tensor) -> Tensor:
        """Logits (10, n) of images that are given as their patches (n, 9, 16)."""
        return self._layers(parameters, images)[-1]

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_share(self._layers(parameters, constants["images"][: self.evaluated])[:-1])}

    def _layers(self, parameters: Tensors, patches: Tensor) -> list[Tensor]:
        """Feature maps (channels, places * n) of both layers and logits (10, n)."""
        n = len(patches)
        first = self._convolved(parameters, 0, patches.transpose(0, 1).flatten(1))
        # What cuts maps of 4x4 places into patches is a matrix of zeros and ones.
        cutting = _patches(torch.eye(16, dtype=first.dtype, device=first.device).view(16, 1, 4, 4)).flatten(1)
        cut = (first.view(-1, 16) @ cutting).view(self.channels, n, KERNEL, 4)
        second = self._convolved(parameters, 1, cut.transpose(1, 2).reshape(self.channels * KERNEL, 4 * n))
        features = second.view(-1, n, 4).transpose(1, 2).reshape(-1, n)
        return [first, second, parameters["weight_2"] @ features + parameters["bias_2"][:, None]]

    def _convolved(self, parameters: Tensors, layer: int, patches: Tensor) -> Tensor:
        return (parameters[f"kernel_{layer}"].flatten(1) @ patches + parameters[f"bias_{layer}"][:, None]).relu()


def _patches(maps: Tensor) -> Tensor:
    """The 3x3 patches (n, 9, places) that a stride of 2 visits in `maps` (n, 1, height, width)."""
    return unfold(maps, 3, padding=1, stride=2)
