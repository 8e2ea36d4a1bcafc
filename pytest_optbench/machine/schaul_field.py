"""A field: many variants of the grid of Schaul et al. as one tensor program, for all repetitions and learning rates.

Points are (.., variants, repetitions, dimension); whatever lies in front (learning rates) shares everything that is
random, and the kinds of parts and of noise are numbers, so that unlike variants go through the same kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from pytest_optbench.machine.streams import derived_seed
from pytest_optbench.machine.tasks.draws import normal, rotation, uniform
from pytest_optbench.machine.tasks.schaul_grid import NOISES, SCALES, Variant
from pytest_optbench.machine.tasks.schaul_shapes import Shape, height_of, shape, slope_of, tables

STEPS = 100
REPETITIONS = 10
PERIOD = 10
"""Steps between two changes."""
CURL = 1.0
"""Length of what a curl adds to the gradient, by that of the point."""
FAR = 1e15
"""Points further out are evaluated here: squares stay finite."""
DIVERGED = 1e10
"""A function beyond this counts as diverged, and one below its negative as no better than it."""
_CHANGE = {"scale_changes": 0.1, "noise_changes": 0.5, "offset_changes": 0.1}
VERSION = 1
"""Raised when another noise or another function comes of a variant's name."""


@dataclass(frozen=True)
class Field:
    """Variants of one dimension, with all that was drawn for them."""

    pieces: Tensor
    """(variants, 1, dimension, pieces, numbers)"""
    height: Tensor
    """At the start; (variants, 1, dimension)."""
    rotation: Tensor
    """(variants, dimension, dimension)"""
    curl: Tensor
    """(variants, dimension, dimension)"""
    factor: Tensor
    """Of the function, from step to step; (steps, variants, repetitions, dimension)."""
    offset: Tensor
    """Of the function's coordinates, likewise."""
    times: Tensor
    """What the noise multiplies a gradient by, likewise."""
    plus: Tensor
    """What the noise adds to it, likewise."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Variants, repetitions, dimension."""
        _, variants, repetitions, dimension = self.plus.shape
        return variants, repetitions, dimension

    @property
    def start(self) -> Tensor:
        return torch.zeros(self.shape)

    def gradient(self, x: Tensor, step: int) -> Tensor:
        """The noisy gradient at x in this step; of the shape of x."""
        z = self._inside(x, step)
        slopes = self.factor[step] * slope_of(self.pieces, z) * self._sign(z, step)
        noisy = slopes * self.times[step] + self.plus[step]
        if self.shape[-1] == 1:
            return noisy
        return _turned(self.rotation.mT, noisy) + _turned(self.curl, x)

    def progress(self, x: Tensor, step: int = STEPS - 1) -> Tensor:
        """How much lower (negative) the function is at x than at the start, as it stands in this step; no noise.

        (.., variants, repetitions)
        """
        change = self._over_start(x, step) - self._over_start(self.start, step)
        return change.clamp(min=-DIVERGED)

    def _inside(self, x: Tensor, step: int) -> Tensor:
        """The arguments of the shapes."""
        near = x.clamp(-FAR, FAR)
        return (near if self.shape[-1] == 1 else _turned(self.rotation, near)) - self.offset[step]

    def _sign(self, z: Tensor, step: int) -> Tensor | float:
        """Of each coordinate's function, whose absolute value enters the L1 norm."""
        if self.shape[-1] == 1:
            return 1.0
        return torch.sign(self.height + self.factor[step] * height_of(self.pieces, z))

    def _over_start(self, x: Tensor, step: int) -> Tensor:
        """The function less its height: |h + d| - h = max(d, -2 h - d), without the digits that h would cost."""
        d = self.factor[step] * height_of(self.pieces, self._inside(x, step))
        return d.squeeze(-1) if self.shape[-1] == 1 else torch.maximum(d, -2 * self.height - d).sum(-1)


def make_field(variants: Sequence[Variant], repetitions: int = REPETITIONS) -> Field:
    """The field of variants of one dimension. What is drawn for a variant does not depend on the others."""
    drawn = [_drawn(variant, repetitions) for variant in variants]
    dimension = variants[0].dimension
    shapes = [_shape(variant, coordinate) for variant in variants for coordinate in range(dimension)]
    pieces = tables(shapes)
    heights = [[SCALES[one.scale].height for one in variant.coordinates] for variant in variants]
    return Field(
        pieces.reshape(len(variants), 1, dimension, *pieces.shape[1:]),
        torch.tensor(heights).unsqueeze(1),
        *(torch.stack([one[k] for one in drawn]) for k in range(2)),
        *(torch.stack([one[k] for one in drawn], dim=1) for k in range(2, 6)),
    )


def _shape(variant: Variant, coordinate: int) -> Shape:
    one = variant.coordinates[coordinate]
    return shape(*one.parts, slope=SCALES[one.scale].slope)


def _drawn(variant: Variant, repetitions: int) -> tuple[Tensor, ...]:
    """Rotation, curl, factor, offset, times and plus of one variant."""
    generator = torch.Generator().manual_seed(derived_seed("schaul_grid", VERSION, variant.name))
    dimension = variant.dimension
    eye = torch.eye(dimension)
    turned = rotation(generator, dimension) if variant.rotated else eye
    curl = CURL * rotation(generator, dimension) if variant.curled else torch.zeros_like(eye)
    ones = torch.ones(STEPS, repetitions, dimension)
    changes = _changes(generator, variant.change, ones)
    louder = changes.exp() if variant.change == "noise_changes" else ones
    noises = [_noise(one.noise, generator, louder[..., k]) for k, one in enumerate(variant.coordinates)]
    return (
        turned,
        curl,
        changes.exp() if variant.change == "scale_changes" else ones,
        changes if variant.change == "offset_changes" else torch.zeros_like(ones),
        *(torch.stack([noise[k] for noise in noises], dim=-1) for k in range(2)),
    )


def _changes(generator: Generator, change: str, like: Tensor) -> Tensor:
    """Redrawn every period, and nothing in the first: every one is about the stated setting, not about the last."""
    if change not in _CHANGE:
        return torch.zeros_like(like)
    periods = _CHANGE[change] * normal(generator, STEPS // PERIOD, *like.shape[1:])
    periods[0] = 0
    return periods.repeat_interleave(PERIOD, dim=0)


def _noise(name: str, generator: Generator, louder: Tensor) -> tuple[Tensor, Tensor]:
    """What a noise multiplies the gradients of all steps and repetitions by, and what it adds to them."""
    noise = NOISES[name]
    ones, zeros = torch.ones_like(louder), torch.zeros_like(louder)
    if noise.kind == "additive":
        return ones, noise.level * louder * normal(generator, *louder.shape)
    if noise.kind == "multiplicative":
        return torch.exp(noise.level * louder * normal(generator, *louder.shape)), zeros
    if noise.kind == "mask":
        return (uniform(generator, *louder.shape) >= noise.level).float(), zeros
    if noise.kind == "cauchy":
        return ones, noise.level * louder * torch.tan(math.pi * (uniform(generator, *louder.shape) - 0.5))
    return ones, zeros


def _turned(matrices: Tensor, x: Tensor) -> Tensor:
    """Every point of every variant, multiplied by the variant's matrix."""
    return x @ matrices.mT
