"""Instances of tasks for the tests: one seed of a task, with its constants, its start and one block of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.task import Task, Tensors

BLOCK = 64


@dataclass(frozen=True)
class Instance:
    """What the engine knows of one seed."""

    task: Task
    constants: Tensors
    parameters: Tensors
    block: Tensors

    def batch(self, step: int = 0) -> Tensors:
        return {name: tensor[step] for name, tensor in self.block.items()}

    @property
    def tensors(self) -> Tensors:
        return {**self.constants, **self.parameters, **self.block}


def make_instance(task: Task, seed: int = 0, block: int = 0, dtype: torch.dtype = torch.float32) -> Instance:
    streams = Streams(task.name, task.version, seed)
    constants = {**task.shared(), **task.private(streams)}
    parameters = task.initial(streams, constants)
    data = task.batches(Streams(task.name, task.version, seed, block), block * BLOCK, BLOCK, constants)
    return Instance(task, cast(constants, dtype), cast(parameters, dtype), cast(data, dtype))


def cast(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


@pytest.fixture
def instance() -> Callable[..., Instance]:
    return make_instance


@pytest.fixture(autouse=True)
def _one_thread():
    """More threads are no faster at this size, and change the bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
