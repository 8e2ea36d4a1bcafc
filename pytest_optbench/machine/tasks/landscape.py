"""A landscape: a fixed function of a few coordinates, entered at a fixed place, give or take a little per seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class Landscape(ExactTask):
    """Base class of tasks that write `height(z)`, and say where it is entered and where it is least.

    Parameters: x, which holds all coordinates.
    """

    start: ClassVar[tuple[float, ...]]
    minimum: ClassVar[tuple[float, ...]]
    """A point of the least height; there may be others."""

    jitter: float = knob(0.1, above=0)
    """Standard deviation of the start around `start`, in every coordinate."""

    def height(self, z: Tensor) -> Tensor:
        """The function, 0-dim, of its coordinates as its source has them."""
        raise NotImplementedError

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "x": torch.tensor(self.start, dtype=torch.float32) + self.jitter * normal(streams.init, len(self.start))
        }

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return self.height(parameters["x"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.tensor(self.minimum, dtype=torch.float32)}


@dataclass(frozen=True)
class ShiftedLandscape(Landscape):
    """Base class of landscapes that are least at the origin (or symmetric about it): moved by N(0, 1) per seed.

    Everything moves, the start too: z = x - shift. Unmoved, plain weight decay would find the minimum.
    """

    def private(self, streams: Streams) -> Tensors:
        return {"shift": normal(streams.data, len(self.start))}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": super().initial(streams, constants)["x"] + constants["shift"]}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return self.height(parameters["x"] - constants["shift"])

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": super().solution(constants, step)["x"] + constants["shift"]}
