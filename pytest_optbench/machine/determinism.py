"""Determinism: one thread, forked random numbers, default modes; all of it put back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pytest_optbench.machine.surroundings import Surroundings


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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block from the state of the global generators that follows from a seed; put them back after it."""
    before = RandomState.current()
    RandomState.seeded(seed).restore()
    try:
        yield
    finally:
        before.restore()


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
    """Run a block with `threads` torch threads and float32 as default; put everything back after it.

    Back go the random numbers, torch's global modes, the working directory and the environment variables, whatever the
    block has done to them.
    """
    random_state, surroundings = RandomState.current(), Surroundings.current()
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        surroundings.restore()
        random_state.restore()
