"""A crew: lanes and the optimizer instances that step them; how many of each is what the engine's modes differ in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.engine.batched import Stacked
from pytest_optbench.machine.engine.instance import Evaluate
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.tasks.task import Tensors


class Crew(ABC):
    """Lanes that are stepped together. `rows` are positions among its lanes, in ascending order."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = list(lanes)

    @abstractmethod
    def build(self, initial: Sequence[Tensors], random: Sequence[RandomState] | None) -> None:
        """Make parameters and optimizers from each lane's start; `random` gives each lane a random state of its own."""

    @abstractmethod
    def train_mode(self) -> None:
        """Before steps, for optimizers that keep two sets of weights."""

    @abstractmethod
    def eval_mode(self) -> None:
        """Before an evaluation, for optimizers that keep two sets of weights."""

    @property
    def wanted(self) -> tuple[int, ...]:
        """The rows that still need gradients."""
        return tuple(row for row, lane in enumerate(self.lanes) if lane.active)

    @abstractmethod
    def parameters(self, rows: Sequence[int]) -> Stacked:
        """The parameters of some lanes, along a leading dimension."""

    @abstractmethod
    def step(
        self, rows: Sequence[int], gradients: Sequence[Tensor], closure_of: Callable[[int], Evaluate] | None
    ) -> None:
        """One optimizer step of the lanes at `rows`; every gradient has them along its leading dimension, in order.

        `gradients` is empty where only closures compute any; `closure_of(k)` is the closure of the k-th of the rows.
        """

    @abstractmethod
    def check(self) -> None:
        """Make sure that all is as it should be, right before parameters are judged."""


class Separate(Crew):
    """Every lane has an optimizer instance of its own."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        super().__init__(lanes)
        self._running = set(range(len(lanes)))

    def build(self, initial: Sequence[Tensors], random: Sequence[RandomState] | None) -> None:
        for k, (lane, start) in enumerate(zip(self.lanes, initial, strict=True)):
            lane.instance.random = None if random is None else random[k]
            lane.instance.build(start)

    def train_mode(self) -> None:
        self._running = {row for row, lane in enumerate(self.lanes) if lane.active}
        for row in self._running:
            self.lanes[row].instance.train_mode()

    def eval_mode(self) -> None:
        for lane in self.lanes:
            if lane.active:
                lane.instance.eval_mode()

    def check(self) -> None:
        pass  # lanes that share nothing cannot disturb each other

    def parameters(self, rows: Sequence[int]) -> Stacked:
        each = [self.lanes[row].instance.parameters for row in rows]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def step(
        self, rows: Sequence[int], gradients: Sequence[Tensor], closure_of: Callable[[int], Evaluate] | None
    ) -> None:
        by_lane = list(zip(*(gradient.unbind() for gradient in gradients), strict=True))
        for k, row in enumerate(rows):
            lane = self.lanes[row]
            if row in self._running and lane.instance.crash is None:
                # Cloned: a lane's share of the batch lies at any offset, and the bits of some kernels depend on that.
                own = [as_gradient(gradient) for gradient in by_lane[k]] if by_lane else None
                lane.instance.step(own, closure_of(k) if lane.capabilities.needs_closure and closure_of else None)


def as_gradient(gradient: Tensor) -> Tensor:
    """A copy that the optimizer may write into, laid out as autograd would lay it out for a fresh parameter."""
    return gradient.clone(memory_format=torch.contiguous_format)
