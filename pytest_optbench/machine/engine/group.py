"""A group: lanes that share every batched gradient, from their first step to the end of the last record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.engine.batched import Batched, Stacked
from pytest_optbench.machine.engine.crew import Crew, Separate, as_gradient
from pytest_optbench.machine.engine.instance import Evaluate
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.engine.signs import StepSigns
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.health import rounded

BLOCK = 64
"""Steps whose data is drawn at once: bounds memory, and makes a step's data independent of the budget."""
PLANE = 2
"""Parameters of a task whose way can be drawn."""
LEAST_LANES = 2
"""A batched kernel over one lane may be another kernel, with other bits; a lone lane is padded by its own copy."""
_T = TypeVar("_T")


class SharedRandomness(Exception):
    """Lanes drew from one global generator: rerun with a random state for each lane."""


@dataclass(frozen=True)
class Placement:
    """Where and in which floating-point type a group runs."""

    device: torch.device
    dtype: torch.dtype

    def put(self, tensors: Tensors, dtype: torch.dtype | None = None) -> Tensors:
        """The tensors on the device, floating-point ones in `dtype`, else in the group's; integers keep theirs."""
        floating = dtype or self.dtype
        return {
            name: tensor.to(self.device, floating if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in tensors.items()
        }


@dataclass(frozen=True)
class _Seating:
    """Which lanes of a crew have a seat along the leading dimension: consecutive ones, from `start`."""

    crew: Crew
    rows: tuple[int, ...]
    start: int

    @property
    def lanes(self) -> list[Lane]:
        return [self.crew.lanes[row] for row in self.rows]

    @property
    def seats(self) -> slice:
        return slice(self.start, self.start + len(self.rows))


class Group:
    """Runs the lanes of its crews in lockstep on shared gradients.

    A lane's bits depend on its own seed and recipe, never on the rest of the group. `watch` is called after every
    evaluation.
    """

    def __init__(
        self,
        task: Task,
        batched: Batched,
        crews: Sequence[Crew],
        placement: Placement,
        *,
        own_random: bool = False,
        watch: Callable[[int, Sequence[Lane]], None] | None = None,
    ) -> None:
        self.task = task
        self.batched = batched
        self.crews = list(crews)
        self.lanes = [lane for crew in crews for lane in crew.lanes]
        self.placement = placement
        self.own_random = own_random or len(self.lanes) == 1
        self.watch = watch
        self.budget = self.lanes[0].record.budget
        self.every = self.lanes[0].record.eval_every
        self._examined = self.lanes[0].record.health_steps()
        self._traced = self.lanes[0].record.path_steps()
        self._signs: StepSigns | None = None
        """Of the step that is being done, where its lanes are looked at."""
        self._one_stack = len(self.crews) == 1 and not isinstance(self.crews[0], Separate)
        self._closures_only = all(
            lane.capabilities.needs_closure and not lane.capabilities.gradient_before_closure for lane in self.lanes
        )
        self._graph = any(lane.capabilities.needs_graph for lane in self.lanes)
        self._shared = task.shared()
        self._placed_shared = placement.put(self._shared)
        self._seatings: list[_Seating] = []
        self._seats: list[Lane] = []
        self._private: dict[int, Tensors] = {}  # by seed, which lanes of several recipes may share
        self._constants: Stacked = {}
        self._memory: Stacked = {}
        self._next_memory: Stacked = {}
        self._blocks: Stacked = {}
        self._block = -1

    def run(self) -> None:
        """Run every lane to the end of its record. Raises SharedRandomness when the lanes' random draws got mixed."""
        for step in self.evaluations():
            if self.watch is not None:
                self.watch(step, self.lanes)

    def evaluations(self) -> Iterator[int]:
        """The same, with a stop after every evaluation: what asks for the next may drop lanes before."""
        before = RandomState.current()
        self._start()
        self._watch_randomness(before)
        # A look at torch's generator is cheap beside many separate steps, not beside the one of a stack; there, what
        # draws makes its shadows differ, and is seen in the end.
        often = any(isinstance(crew, Separate) for crew in self.crews) and not self.own_random
        for step in range(self.budget + 1):
            if step % self.every == 0:
                self._evaluate(step)
                yield step
                if not any(lane.active for lane in self.lanes):
                    break
                for crew in self.crews:
                    crew.train_mode()
                if not any(lane.active for lane in self.lanes):  # train() may have ended them
                    break
                self._reseat()
            if step < self.budget:
                self._step(step)
                if often and not torch.equal(torch.get_rng_state(), before.torch):
                    raise SharedRandomness
        self._watch_randomness(before)

    def _watch_randomness(self, before: RandomState) -> None:
        if not self.own_random and not RandomState.current().same(before):
            raise SharedRandomness

    def _start(self) -> None:
        memory = []
        for crew in self.crews:
            starts, states = [], []
            for lane in crew.lanes:
                streams = Streams(self.task.name, self.task.version, lane.seed)
                if lane.seed not in self._private:
                    self._private[lane.seed] = self.task.private(streams)
                initial = self.task.initial(streams, self._host_constants(lane))
                states.append(RandomState.seeded(streams.optimizer_seed) if self.own_random else None)
                starts.append(self.placement.put(initial, self.task.dtype))
                memory.append(self.placement.put(self.task.memory(initial, self._host_constants(lane))))
            crew.build(starts, [state for state in states if state is not None] or None)
        self._seat([(crew, tuple(range(len(crew.lanes)))) for crew in self.crews])
        self._memory = _stack([memory[k] for k in self._padded(list(range(len(memory))))])

    def _host_constants(self, lane: Lane) -> Tensors:
        return {**self._shared, **self._private[lane.seed]}

    def _padded(self, seats: list[_T]) -> list[_T]:
        """A lone seat and its copy."""
        return seats if len(seats) >= LEAST_LANES or not self.task.batchable else [*seats, *seats]

    def _seat(self, chosen: Sequence[tuple[Crew, tuple[int, ...]]]) -> None:
        """Give the chosen lanes their places along the leading dimension, padding a lone one with its own copy."""
        self._seatings = []
        start = 0
        for crew, rows in chosen:
            if rows:
                self._seatings.append(_Seating(crew, rows, start))
                start += len(rows)
        self._seats = self._padded([lane for seating in self._seatings for lane in seating.lanes])
        count = len(self._seats)
        private = _stack([self.placement.put(self._private[lane.seed]) for lane in self._seats])
        # Data that all seeds share is expanded, not copied: the kernels see a batch with stride zero.
        shared = {name: tensor.expand(count, *tensor.shape) for name, tensor in self._placed_shared.items()}
        self._constants = {**shared, **private}
        self._block = -1

    def _reseat(self) -> None:
        """Leave finished lanes behind once at most half of the seats are in use; the others keep their bits."""
        wanted = [(crew, crew.wanted) for crew in self.crews]
        if 2 * max(sum(len(rows) for _, rows in wanted), LEAST_LANES) <= len(self._seats):
            seat_of = {id(lane): seat for seat, lane in enumerate(self._seats)}
            self._seat(wanted)
            index = torch.tensor([seat_of[id(lane)] for lane in self._seats], device=self.placement.device)
            self._memory = {name: tensor[index] for name, tensor in self._memory.items()}

    def _evaluate(self, step: int) -> None:
        for crew in self.crews:
            crew.eval_mode()
            crew.check()
        at = torch.tensor(float(step), device=self.placement.device, dtype=self.placement.dtype)
        stacked = self._stacked()
        values = self.batched.evaluate(stacked, self._constants, at).tolist()
        if step in self._examined:
            self._examine(step, stacked)
        if step in self._traced:
            self._trace(step, stacked)
        for seating in self._seatings:
            ended = []
            for row, value in zip(seating.rows, values[seating.seats], strict=True):
                lane = seating.crew.lanes[row]
                if lane.active:
                    lane.record.feed(step, value)
                    if lane.record.finished:
                        ended.append(row)
            if ended:
                self._measure(seating, ended)

    def _examine(self, step: int, stacked: Stacked) -> None:
        """Keep the task's own signs of health."""
        if any(lane.examined for lane in self.lanes):
            signs = {name: signs.tolist() for name, signs in self.batched.diagnostics(stacked, self._constants).items()}
            for seating in self._seatings:
                for k, lane in enumerate(seating.lanes, seating.start):
                    if lane.examined and lane.health is not None:
                        for name, values in signs.items():
                            lane.health.feed(name, step, float(values[k]))

    def _trace(self, step: int, stacked: Stacked) -> None:
        """Keep where lanes with examples are on their way, if two parameters are all there is."""
        if sum(tensor[0].numel() for tensor in stacked.values()) == PLANE:
            for seating in self._seatings:
                for k, lane in enumerate(seating.lanes, seating.start):
                    if lane.examples is not None and lane.active:
                        point = [x for tensor in stacked.values() for x in tensor[k].flatten().tolist()]
                        lane.examples.setdefault("trajectory", []).append([step, *rounded(point)])

    def _measure(self, seating: _Seating, rows: list[int]) -> None:
        """Take further figures of merit of lanes that have just ended, at the weights that were judged."""
        padded = self._padded(rows)
        seats = [seating.start + seating.rows.index(row) for row in padded]
        constants = {name: tensor[seats] for name, tensor in self._constants.items()}
        parameters = seating.crew.parameters(padded)
        metrics = self.batched.metrics(parameters, constants)
        by_name = {name: values.tolist() for name, values in metrics.items()}
        for k, row in enumerate(rows):
            lane = seating.crew.lanes[row]
            lane.metrics = {name: float(values[k]) for name, values in by_name.items()}
            if lane.examples is not None:
                # Of one lane and its copy, whoever ended along with it.
                twice = self._padded([k])
                own = [{name: tensor[twice] for name, tensor in some.items()} for some in (parameters, constants)]
                outputs = self.batched.examples(*own)
                lane.examples.update({name: rounded(tensor[0].tolist()) for name, tensor in outputs.items()})

    def _step(self, step: int) -> None:
        batch = self._batch(step)
        gradients: Stacked = {}
        examined = step in self._examined and any(lane.examined for lane in self.lanes)
        self._signs = StepSigns(self._stacked()) if examined else None
        with torch.set_grad_enabled(self._graph):
            if not self._closures_only:
                arguments = (self._stacked(), self._constants, batch, self._memory)
                if self._graph:
                    value, gradients, memory = self.batched.differentiable_gradient(*arguments)
                elif self._signs is not None:
                    value, gradients, memory = self.batched.value_and_gradient(*arguments)
                else:
                    gradients, memory = self.batched.gradient(*arguments)
                if self._signs is not None:
                    self._signs.see(value, gradients)
                # Cloned, for it may share its storage with parameters that are about to move; and contiguous, for the
                # traced gradient counts on inputs that are laid out alike at every step.
                self._next_memory = {name: as_gradient(tensor) for name, tensor in memory.items()}
            for seating in self._seatings:
                seating.crew.step(
                    seating.rows,
                    [tensor[seating.seats] for tensor in gradients.values()],
                    partial(self._closure, seating.start, batch),
                )
        if self._signs is not None:
            self._keep_signs(step + 1)
        self._memory = {name: tensor.contiguous() for name, tensor in self._next_memory.items()}

    def _keep_signs(self, step: int) -> None:
        """Keep the signs of health of the step that was done."""
        assert self._signs is not None
        signs = self._signs.after(self._stacked())
        for seating in self._seatings:
            for k, lane in enumerate(seating.lanes, seating.start):
                if lane.examined and lane.health is not None:
                    for name, values in signs.items():
                        if (value := values[k]) is not None:
                            lane.health.feed(name, step, value)

    def _closure(self, start: int, batch: Stacked, k: int) -> Evaluate:
        return partial(self._at_seat, start + k, batch)

    def _at_seat(self, seat: int, batch: Stacked) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradient at the present parameters of one seat, for closures."""
        value, gradients, self._next_memory = self.batched.value_and_gradient(
            self._stacked(), self._constants, batch, self._memory
        )
        if self._signs is not None:
            self._signs.see(value, gradients)
        return value[seat].clone(), [as_gradient(gradient[seat]) for gradient in gradients.values()]

    def _batch(self, step: int) -> Stacked:
        block, offset = divmod(step, BLOCK)
        if block != self._block:
            draws = {lane.seed: self._draw(lane, block) for lane in {lane.seed: lane for lane in self._seats}.values()}
            self._blocks = _stack([draws[lane.seed] for lane in self._seats], dim=1)
            self._block = block
        return {name: tensor[offset] for name, tensor in self._blocks.items()}

    def _draw(self, lane: Lane, block: int) -> Tensors:
        streams = Streams(self.task.name, self.task.version, lane.seed, block)
        return self.placement.put(self.task.batches(streams, block * BLOCK, BLOCK, self._host_constants(lane)))

    def _stacked(self) -> Stacked:
        if self._one_stack and len(self._seats) == len(self.lanes):
            return self.crews[0].parameters(self._seatings[0].rows)
        parts = [seating.crew.parameters(seating.rows) for seating in self._seatings]
        if len(self._seats) > sum(len(seating.rows) for seating in self._seatings):
            parts = [*parts, *parts]
        return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _stack(tensors: Sequence[Tensors], dim: int = 0) -> Stacked:
    return {name: torch.stack([one[name] for one in tensors], dim) for name in tensors[0]}
