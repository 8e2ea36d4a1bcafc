"""What the tasks of Schaul et al. have in common: shapes at scale `normal`, with additive Gaussian gradient noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.schaul_shapes import bottom, height_of, lowered, shape, table, tables
from pytest_optbench.machine.tasks.task import Tensors

SOURCE = "Schaul, Antonoglou, Silver 2013 (arXiv 1312.6055)"


@dataclass(frozen=True)
class NoisyShape(ExactTask):
    """Base class of tasks whose gradient is that of `value`, plus noise N(0, noise²) in every coordinate of x."""

    noise: float = knob(0.1, least=0)
    """Standard deviation of the gradient noise."""

    size: ClassVar[int]
    """Coordinates of x."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": self.noise * normal(streams.noise, steps, self.size)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants) + (batch["noise"] * parameters["x"]).sum()


@dataclass(frozen=True)
class Repeated(NoisyShape):
    """Base class of tasks that have one shape with a minimum in each of four coordinates.

    One coordinate would be too few: a random walk finds a minimum on a line.
    """

    parts: ClassVar[tuple[str, ...]]
    """What the shape is chained of."""
    size: ClassVar[int] = 4

    def shared(self) -> Tensors:
        pieces = shape(*self.parts)
        return {"pieces": table(lowered(pieces, bottom(pieces)[1]))}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return height_of(constants["pieces"], parameters["x"]).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": torch.full((self.size,), bottom(shape(*self.parts))[0])}


@dataclass(frozen=True)
class Combined(NoisyShape):
    """Base class of tasks that have a shape of its own in each coordinate, added up (the paper's L1 norm)."""

    parts: ClassVar[tuple[tuple[str, ...], ...]]
    """By coordinate, what its shape is chained of."""
    slopes: ClassVar[tuple[float, ...]]
    """By coordinate, that at the start."""

    def shared(self) -> Tensors:
        shapes = [shape(*parts, slope=slope) for parts, slope in zip(self.parts, self.slopes, strict=True)]
        bottoms = [bottom(pieces) for pieces in shapes]
        return {
            "pieces": tables([lowered(pieces, by) for pieces, (_, by) in zip(shapes, bottoms, strict=True)]),
            "bottom": torch.tensor([point for point, _ in bottoms]),
            "depth": torch.tensor([-by for _, by in bottoms]),
        }

    def heights(self, x: Tensor, constants: Tensors) -> Tensor:
        """Of every shape at its coordinate, over its bottom."""
        return height_of(constants["pieces"], x)

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return self.heights(parameters["x"], constants).sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"x": constants["bottom"].clone()}
