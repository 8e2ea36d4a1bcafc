"""Images: the 1797 handwritten digits of 8x8 pixels that ship inside scikit-learn."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pytest_optbench.machine.tasks.task import Tensors

TRAINING_SAMPLES = 1437
EVALUATED = 480
"""Training images that networks are evaluated on, always the same: on all of them it would cost twice the gradients."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of `logits` (classes, n): with the samples last, softmax is three times as fast."""
    return functional.cross_entropy(logits[None], labels[None])


def data_set() -> Tensors:
    """`images` (1797, 64) and `labels` (1797,) as tensors of their own."""
    images, labels = digits()
    return {"images": torch.tensor(images), "labels": torch.tensor(labels)}


@cache
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (1797, 64) in [0, 1] and labels (1797,), shuffled since neighbours share a writer; read-only arrays."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(labels))
    images, labels = (images[order] / 16).astype(np.float32), labels[order].astype(np.int64)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels
