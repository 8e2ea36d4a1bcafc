"""Streams: independent sources of randomness, each derived from (task, version, purpose, seed)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from SHA-256 over the parts: the same on every machine and Python, unlike `hash`."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class Streams:
    """The generators of one seed of one task (and one block of steps); all on the CPU, whatever the device.

    `init` draws starting points, `data` draws data sets and minibatch indices, `noise` draws gradient noise. The
    optimizer draws from torch's global generator, which the engine seeds with `optimizer_seed`: no amount of drawing
    there moves the task's streams.
    """

    task: str
    version: int
    seed: int
    block: int = -1

    @cached_property
    def init(self) -> torch.Generator:
        return self._generator("init")

    @cached_property
    def data(self) -> torch.Generator:
        return self._generator("data")

    @cached_property
    def noise(self) -> torch.Generator:
        return self._generator("noise")

    @property
    def optimizer_seed(self) -> int:
        return derived_seed(self.task, self.version, "optimizer", self.seed)

    def _generator(self, purpose: str) -> torch.Generator:
        seed = derived_seed(self.task, self.version, purpose, self.seed, self.block)
        return torch.Generator().manual_seed(seed)
