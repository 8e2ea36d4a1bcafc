"""Samples: a source of (inputs, targets), as a `DataLoader` is one, read into two tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.words.errors import OptbenchError

MOST_BYTES = 2**31
"""Of data that is kept in memory; a source that gives more is taken for one without an end."""
Pair = tuple[Tensor, Tensor]
"""Inputs and targets, with one sample for each entry of the first dimension."""


def read_samples(source: Iterable[Any], where: str) -> tuple[Pair, int]:
    """All samples of a source, and how many its first batch has. `where` begins the sentence of an OptbenchError."""
    whole = isinstance(source, tuple | list) and len(source) == 2 and all(hasattr(one, "shape") for one in source)
    batches: list[Pair] = []
    size = 0
    for batch in [source] if whole else source:
        batches.append(as_pair(batch, where))
        size += sum(tensor.nbytes for tensor in batches[-1])
        if size > MOST_BYTES:
            raise OptbenchError(
                f"{where} gives more than {MOST_BYTES / 2**30:g} GiB; expected a finite source that fits into memory, "
                "or sample() in its place"
            )
    if not batches:
        raise OptbenchError(f"{where} gives no batch")
    return (torch.cat([one for one, _ in batches]), torch.cat([one for _, one in batches])), len(batches[0][0])


def as_pair(batch: object, where: str) -> Pair:
    """Inputs and targets as tensors of float32 or int64."""
    if not (isinstance(batch, tuple | list) and len(batch) == 2 and all(hasattr(one, "shape") for one in batch)):
        shown = [type(one).__name__ for one in batch] if isinstance(batch, tuple | list) else type(batch).__name__
        raise OptbenchError(f"{where} gives {shown}; expected pairs of tensors, (inputs, targets)")
    inputs, targets = (torch.as_tensor(one).detach().cpu() for one in batch)
    if not inputs.shape or not targets.shape or len(inputs) != len(targets):
        raise OptbenchError(
            f"{where} gives inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)}; "
            "expected one sample for each entry of the first dimension of both"
        )
    return plain(inputs), plain(targets)


def plain(tensor: Tensor) -> Tensor:
    """In float32 or int64, as the tensors of every task."""
    return tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)
