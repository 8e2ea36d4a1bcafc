"""Determinism: one thread, forked random numbers, default modes; all of it put back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class RandomState:
    """The state of every global generator an optimizer could draw from: torch's, NumPy's and Python's."""

    torch: torch.Tensor
    numpy: Any
    python: Any

    @staticmethod
    def current() -> RandomState:
        return RandomState(torch.get_rng_state(), np.random.get_state(), random.getstate())

    @staticmethod
    def seeded(seed: int) -> RandomState:
        """The state that follows from one 63-bit seed; the global generators are left as they were."""
        before = RandomState.current()
        seed_torch(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        after = RandomState.current()
        before.restore()
        return after

    def restore(self) -> None:
        torch.set_rng_state(self.torch)
        np.random.set_state(self.numpy)
        random.setstate(self.python)

    def same(self, other: RandomState) -> bool:
        return (
            torch.equal(self.torch, other.torch)
            and self.python == other.python
            and all(np.array_equal(mine, theirs) for mine, theirs in zip(self.numpy, other.numpy, strict=True))
        )


def seed_torch(seed: int) -> None:
    """Seed torch's global generators.

    torch.manual_seed also queues a call, with a formatted traceback, for every kind of accelerator that is not in use:
    that takes longer than a check does.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


@contextmanager
def isolated(threads: int = 1) -> Iterator[None]:
    """Run a block with `threads` torch threads, gradients off and float32 as default; restore everything after it.

    Gradients are off because the engine differentiates functionally; an optimizer's closure turns them on itself.
    """
    state = RandomState.current()
    old_threads = torch.get_num_threads()
    old_dtype = torch.get_default_dtype()
    old_grad = torch.is_grad_enabled()
    old_precision = torch.get_float32_matmul_precision()
    old_deterministic = torch.are_deterministic_algorithms_enabled()
    old_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)  # there is no way to ask for the old value; this is torch's default
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(old_deterministic, warn_only=old_warn_only)
        torch.set_float32_matmul_precision(old_precision)
        torch.set_grad_enabled(old_grad)
        torch.set_default_dtype(old_dtype)
        torch.set_num_threads(old_threads)
        state.restore()
