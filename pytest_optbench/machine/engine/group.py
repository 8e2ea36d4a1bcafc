"""A group: lanes that share every batched gradient, from their first step to the end of the last record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.engine.batched import Batched, Stacked
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.task import Task, Tensors

BLOCK = 64
"""Steps whose data is drawn at once: bounds memory, and makes a step's data independent of the budget."""
LEAST_LANES = 2
"""A batched kernel over one lane may be another kernel, with other bits; a lone lane is padded by its own copy."""


class SharedRandomness(Exception):
    """Lanes drew from one global generator: rerun with a random state for each lane."""


@dataclass(frozen=True)
class Placement:
    """Where and in which floating-point type a group runs."""

    device: torch.device
    dtype: torch.dtype

    def put(self, tensors: Tensors) -> Tensors:
        """The tensors on the device, floating-point ones in the dtype; integers keep theirs."""
        return {
            name: tensor.to(self.device, self.dtype if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in tensors.items()
        }


class Group:
    """Runs its lanes in lockstep. A lane's bits depend on its own seed and recipe, never on the rest of the group."""

    def __init__(
        self,
        task: Task,
        batched: Batched,
        lanes: Sequence[Lane],
        placement: Placement,
        *,
        own_random: bool = False,
        progress: Callable[[int, Sequence[Lane]], None] | None = None,
    ) -> None:
        self.task = task
        self.batched = batched
        self.lanes = list(lanes)
        self.placement = placement
        self.own_random = own_random or len(lanes) == 1
        self.progress = progress
        self.budget = lanes[0].record.budget
        self.every = lanes[0].record.eval_every
        self._shared = task.shared()
        self._placed_shared = placement.put(self._shared)
        self._seats: list[Lane] = []
        self._running: list[tuple[int, Lane]] = []
        self._private: dict[int, Tensors] = {}
        self._constants: Stacked = {}
        self._memory: Stacked = {}
        self._next_memory: Stacked = {}
        self._blocks: Stacked = {}
        self._block = -1

    def run(self) -> None:
        """Run every lane to the end of its record. Raises SharedRandomness when the lanes' random draws got mixed."""
        before = RandomState.current()
        self._start()
        self._watch(before)
        for step in range(self.budget + 1):
            if step % self.every == 0:
                self._evaluate(step)
                if not any(lane.active for lane in self.lanes):
                    break
                self._reseat()
            if step < self.budget:
                self._step(step)
                # Looking at torch's generator is cheap; the other two are looked at in the end.
                if not self.own_random and not torch.equal(torch.get_rng_state(), before.torch):
                    raise SharedRandomness
        self._watch(before)

    def _watch(self, before: RandomState) -> None:
        if not self.own_random and not RandomState.current().same(before):
            raise SharedRandomness

    def _start(self) -> None:
        memory: dict[int, Tensors] = {}
        for lane in self.lanes:
            streams = Streams(self.task.name, self.task.version, lane.seed)
            private = self.task.private(streams)
            self._private[id(lane)] = private
            initial = self.task.initial(streams, self._host_constants(lane))
            if self.own_random:
                lane.random = RandomState.seeded(streams.optimizer_seed)
            lane.build(self.placement.put(initial))
            memory[id(lane)] = self.placement.put(self.task.memory(initial, self._host_constants(lane)))
        self._seat(self.lanes)
        self._memory = _stack([memory[id(lane)] for lane in self._seats])

    def _host_constants(self, lane: Lane) -> Tensors:
        return {**self._shared, **self._private[id(lane)]}

    def _seat(self, lanes: Sequence[Lane]) -> None:
        """Give every lane a place along the leading dimension, padding a lone one with its own copy."""
        self._seats = list(lanes) if len(lanes) >= LEAST_LANES or not self.task.batchable else [*lanes, *lanes]
        count = len(self._seats)
        private = _stack([self.placement.put(self._private[id(lane)]) for lane in self._seats])
        # Data that all seeds share is expanded, not copied: the kernels see a batch with stride zero.
        shared = {name: tensor.expand(count, *tensor.shape) for name, tensor in self._placed_shared.items()}
        self._constants = {**shared, **private}
        self._block = -1

    def _reseat(self) -> None:
        """Leave finished lanes behind once at most half of the seats are in use; the others keep their bits."""
        seat_of = {id(lane): seat for seat, lane in enumerate(self._seats) if lane.active}
        if 2 * max(len(seat_of), LEAST_LANES) <= len(self._seats):
            self._seat([self._seats[seat] for seat in seat_of.values()])
            index = torch.tensor([seat_of[id(lane)] for lane in self._seats], device=self.placement.device)
            self._memory = {name: tensor[index] for name, tensor in self._memory.items()}
            seat_of = {id(lane): seat for seat, lane in enumerate(self._seats)}
        self._running = [(seat, self._seats[seat]) for seat in seat_of.values()]

    def _evaluate(self, step: int) -> None:
        active = [lane for lane in self.lanes if lane.active]
        for lane in active:
            lane.eval_mode()
        at = torch.tensor(float(step), device=self.placement.device, dtype=self.placement.dtype)
        values = self.batched.evaluate(self._stacked(), self._constants, at).tolist()
        judged = {id(lane): value for lane, value in zip(self._seats, values, strict=True)}
        for lane in active:
            lane.record.feed(step, judged[id(lane)])
            if not lane.active:
                self._measure(lane)
            else:
                lane.train_mode()
        if self.progress is not None:
            self.progress(step, self.lanes)

    def _measure(self, lane: Lane) -> None:
        """Take a finished lane's further figures of merit, at the weights that were just judged."""
        if lane.crash is None:
            padded = {name: torch.stack([tensor.detach()] * LEAST_LANES) for name, tensor in lane.parameters.items()}
            seat = self._seats.index(lane)
            constants = {name: tensor[[seat, seat]] for name, tensor in self._constants.items()}
            metrics = self.batched.metrics(padded, constants)
            lane.metrics = {name: float(value[0]) for name, value in metrics.items()}

    def _step(self, step: int) -> None:
        batch = self._batch(step)
        if all(
            lane.capabilities.needs_closure and not lane.capabilities.gradient_before_closure for lane in self.lanes
        ):
            gradients: Stacked = {}
        elif any(lane.capabilities.needs_graph for lane in self.lanes):
            self._step_with_graph(batch)
            return
        else:
            gradients, self._next_memory = self.batched.gradient(self._stacked(), self._constants, batch, self._memory)
        by_seat = list(zip(*(gradient.unbind() for gradient in gradients.values()), strict=True))
        for seat, lane in self._running:
            if lane.crash is None:
                # Cloned: a seat's share of the batch lies at any offset, and the bits of some kernels depend on that.
                own = [gradient.clone() for gradient in by_seat[seat]] if by_seat else None
                lane.step(own, partial(self._at_seat, seat, batch) if lane.capabilities.needs_closure else None)
        # Contiguous: the traced gradient counts on inputs that are laid out alike at every step.
        self._memory = {name: tensor.contiguous() for name, tensor in self._next_memory.items()}

    def _step_with_graph(self, batch: Stacked) -> None:
        """A step of a lane (a lone one) whose optimizer differentiates its gradients once more."""
        ((seat, lane),) = self._running
        with torch.enable_grad():
            gradients, self._memory = self.batched.differentiable_gradient(
                self._stacked(), self._constants, batch, self._memory
            )
            own = [gradient[seat] for gradient in gradients.values()]
        lane.step(own, None)

    def _at_seat(self, seat: int, batch: Stacked) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradient at the present parameters of one seat, for closures."""
        value, gradients, self._next_memory = self.batched.value_and_gradient(
            self._stacked(), self._constants, batch, self._memory
        )
        return value[seat].clone(), [gradient[seat].clone() for gradient in gradients.values()]

    def _batch(self, step: int) -> Stacked:
        block, offset = divmod(step, BLOCK)
        if block != self._block:
            draws = {id(lane): self._draw(lane, block) for lane in {id(lane): lane for lane in self._seats}.values()}
            self._blocks = _stack([draws[id(lane)] for lane in self._seats], dim=1)
            self._block = block
        return {name: tensor[offset] for name, tensor in self._blocks.items()}

    def _draw(self, lane: Lane, block: int) -> Tensors:
        streams = Streams(self.task.name, self.task.version, lane.seed, block)
        return self.placement.put(self.task.batches(streams, block * BLOCK, BLOCK, self._host_constants(lane)))

    def _stacked(self) -> Stacked:
        parameters = [lane.parameters for lane in self._seats]
        return {name: torch.stack([lane[name] for lane in parameters]) for name in parameters[0]}


def _stack(tensors: Sequence[Tensors], dim: int = 0) -> Stacked:
    return {name: torch.stack([one[name] for one in tensors], dim) for name in tensors[0]}
