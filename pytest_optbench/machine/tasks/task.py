"""A task: an optimization problem, written for one instance as pure functions of parameters and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.func import grad_and_value

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.knobs import check_knobs
from pytest_optbench.words.threshold import Threshold

Tensors = dict[str, Tensor]
Tier = Literal["unit", "small", "full"]


@dataclass(frozen=True)
class Task:
    """Base class of every task. Subclasses are frozen dataclasses whose fields are the task's difficulty knobs.

    Everything is written for a single instance: no method sees a leading dimension of seeds, the engine adds it with
    `torch.func.vmap`. `loss`, `gradient`, `transform` and `evaluate` are pure: same tensors in, same tensors out, no
    Python-side state, no `.item()`, no control flow on values, no random numbers (noise enters through `batches`).

    `constants` in the signatures below is `{**shared(), **private(...)}` of the instance.
    """

    name: ClassVar[str]
    """Snake-case name; a result belongs to `name@version`."""
    version: ClassVar[int] = 1
    """Raised whenever data, initialization, evaluation or target change."""
    tier: ClassVar[Tier] = "unit"
    tags: ClassVar[frozenset[str]] = frozenset()
    """Properties to select by, such as `convex` or `noisy`."""
    source: ClassVar[str]
    """Paper or suite, with the year."""
    optimum: ClassVar[float | None] = None
    """The least possible (or irreducible expected) value of `evaluate`; None when it is unknown or differs per seed."""
    horizon: ClassVar[int]
    """Steps of a calibration run: long enough for every sensible optimizer to show what it can do."""
    seeds: ClassVar[int] = 32
    """The most seeds a case uses; a heavy task may declare fewer."""
    tolerance: ClassVar[float] = 0.05
    """Relative slowdown that a comparison ignores; a noisy task may declare more."""
    dtype: ClassVar[torch.dtype | None] = None
    """Floating-point type of the parameters that the optimizer steps; None for that of everything else in the case."""
    window: ClassVar[int] = 1
    """Consecutive evaluations that are averaged into one value (tracking tasks judge a tail, not an instant)."""
    batchable: ClassVar[bool] = True
    """False for a task that `vmap` cannot batch: it runs one seed after another."""
    gates: ClassVar[bool] = True
    """False for a task that is reported but never decides a verdict."""
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({})
    """The range in which a healthy run keeps a quantity, beside the ranges that all tasks have: `initial` (the
    evaluation before the first step), `evaluation`, `loss`, `gradient_norm`, `update_ratio`, and every key of
    `diagnostics` (see `words.health`)."""
    threshold: ClassVar[Threshold | None] = None
    """Target and budget of a third-party task; the built-in tasks' come from the shipped table."""

    def __post_init__(self) -> None:
        check_knobs(self)

    def shared(self) -> Tensors:
        """What all seeds have in common (a data set), on the CPU; called once per case."""
        return {}

    def private(self, streams: Streams) -> Tensors:
        """What one seed keeps for its whole run (a rotation, its own data), drawn from `streams.data`."""
        return {}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        """The starting parameters of one seed, drawn from `streams.init`; the order of keys is the optimizer's."""
        raise NotImplementedError

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        """The data of steps `start .. start + steps`, each tensor with a leading dimension of `steps`.

        `streams` is fresh for every block of steps, so that the data of a step never depends on the budget. Minibatch
        indices come from `streams.data`, gradient noise from `streams.noise`, and whatever changes over time from
        `start`.
        """
        return {}

    def memory(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """What `transform` carries from step to step (the buffer of a delay), at its initial value."""
        return {}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The training loss on one batch, a 0-dim tensor, twice differentiable where the function is."""
        raise NotImplementedError

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        """The loss and the direction handed to the optimizer as `p.grad`; a game overrides it with its own field."""
        gradient, value = grad_and_value(self.loss)(parameters, constants, batch)
        return value, gradient

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The function whose derivative in `parameters[name]`, taken at `parameters = at`, is that entry of `gradient`.

        The loss, unless `gradient` is overridden. In a game it is the loss of the player whose parameter it is; where
        the direction is no gradient (the way that some local steps went), it is a surrogate that holds fixed what was
        found at `at`. Admission and tests compare `gradient` with its finite differences; the engine never calls it.
        """
        return self.loss(parameters, constants, batch)

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        """Corrupt the gradient on purpose (multiplicative noise, masks, curl, delay); returns it and the new memory."""
        return gradient, memory

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        """The value that is judged: exact or on held-out data, never a noisy minibatch loss; 0-dim. `step` is 0-dim."""
        raise NotImplementedError

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Further figures of merit at the end of a run (accuracy, calibration error), each 0-dim."""
        return {}

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """Signs of health that the engine cannot see from outside (the share of dead units), each 0-dim."""
        return {}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """A few outputs of the end of a run for a person to look at (reconstructions, text), at most 256 numbers."""
        return {}

    def solution(self, constants: Tensors, step: int) -> Tensors | None:
        """Parameters at the known optimum, for the admission rules; None when there is no closed form."""
        return None


def instance(task: Task, seed: int) -> tuple[Tensors, Tensors]:
    """The constants and the starting parameters of one seed."""
    streams = Streams(task.name, task.version, seed)
    constants = {**task.shared(), **task.private(streams)}
    return constants, task.initial(streams, constants)


def parameter_shapes(task: Task) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of the task, by name, in the optimizer's order."""
    _, parameters = instance(task, seed=0)
    return {name: tuple(tensor.shape) for name, tensor in parameters.items()}


def parameter_count(task: Task) -> int:
    """The number of scalar parameters of one instance."""
    return sum(torch.Size(shape).numel() for shape in parameter_shapes(task).values())
