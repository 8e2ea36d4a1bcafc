"""Draws: random tensors for starting points and data, in float32 whatever torch's default dtype is."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def normal(generator: Generator, *shape: int) -> Tensor:
    """Independent standard normal numbers."""
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def uniform(generator: Generator, *shape: int) -> Tensor:
    """Independent numbers, uniform in [0, 1)."""
    return torch.rand(shape, generator=generator, dtype=torch.float32)


def distances(generator: Generator, *shape: int) -> Tensor:
    """Independent numbers of random sign, their size uniform in [0.5, 1.5): far enough from zero, no two alike."""
    return normal(generator, *shape).sign() * (0.5 + uniform(generator, *shape))


def rotation(generator: Generator, dimension: int) -> Tensor:
    """An orthogonal matrix (dimension, dimension), Haar distributed (Mezzadri 2007, math-ph/0609050).

    Computed in float64 and rounded, so that two CPUs agree but for the odd last bit.
    """
    gaussian = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    Q, R = torch.linalg.qr(gaussian)
    haar: Tensor = Q * R.diagonal().sign()
    return haar.to(torch.float32)


def apart(generator: Generator, low: float, high: float, *shape: int) -> Tensor:
    """Independent numbers of random sign whose sizes are uniform in [low, high): away from zero, and all different."""
    sizes = low + (high - low) * uniform(generator, *shape)
    return torch.where(uniform(generator, *shape) < 0.5, -sizes, sizes)
