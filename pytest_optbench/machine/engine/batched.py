"""Batched functions: a task's gradient and evaluation over a leading dimension of lanes, traced once and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree

from pytest_optbench.machine.engine.graph import traced
from pytest_optbench.machine.tasks.task import Task, Tensors

Stacked = Tensors
"""Tensors with a leading dimension of lanes."""


class Batched:
    """The functions of one task over lanes. A trace belongs to one number of lanes and is made at its first use.

    Plain `vmap` re-interprets the function at every call, which costs more than the arithmetic of a small task. Tracing
    it once to a flat list of tensor operations gives the same bits without that cost (see `graph`); a trace that does
    not reproduce the bits of `vmap` on its first inputs, or cannot be made, is not used.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._traces: dict[tuple[str, int], Callable[..., Any]] = {}

    def gradient(
        self, parameters: Stacked, constants: Stacked, batch: Stacked, memory: Stacked
    ) -> tuple[Stacked, Stacked]:
        """Gradients as handed to the optimizer, and the new memory."""
        result: tuple[Stacked, Stacked] = self._call(self._gradient, parameters, constants, batch, memory)
        return result

    def differentiable_gradient(
        self, parameters: Stacked, constants: Stacked, batch: Stacked, memory: Stacked
    ) -> tuple[Stacked, Stacked]:
        """The same gradients, untraced, with a graph back to the parameters if autograd records."""
        arguments = (parameters, constants, batch, memory)
        if not self.task.batchable:
            result: tuple[Stacked, Stacked] = _one_by_one(self._gradient, arguments)
        else:
            result = vmap(self._gradient)(*arguments)
        return result[0], {name: tensor.detach() for name, tensor in result[1].items()}

    def value_and_gradient(
        self, parameters: Stacked, constants: Stacked, batch: Stacked, memory: Stacked
    ) -> tuple[Tensor, Stacked, Stacked]:
        """The same, after the losses (lanes,) that a closure returns."""
        result: tuple[Tensor, Stacked, Stacked] = self._call(
            self._value_and_gradient, parameters, constants, batch, memory
        )
        return result

    def evaluate(self, parameters: Stacked, constants: Stacked, step: Tensor) -> Tensor:
        """The judged value of every lane (lanes,); `step` is 0-dim and common to all of them."""
        result: Tensor = self._call(self.task.evaluate, parameters, constants, step.expand(_lanes(parameters)))
        return result

    def metrics(self, parameters: Stacked, constants: Stacked) -> Stacked:
        """Further figures of merit of every lane, each (lanes,)."""
        if type(self.task).metrics is Task.metrics:
            return {}
        if not self.task.batchable:
            return dict(_one_by_one(self.task.metrics, (parameters, constants)))
        return dict(vmap(self.task.metrics)(parameters, constants))

    def _gradient(
        self, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        _, gradient, memory = self._value_and_gradient(parameters, constants, batch, memory)
        return gradient, memory

    def _value_and_gradient(
        self, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensor, Tensors, Tensors]:
        value, gradient = self.task.gradient(parameters, constants, batch)
        gradient, memory = self.task.transform(gradient, parameters, constants, batch, memory)
        return value, gradient, memory

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if not self.task.batchable:
            return _one_by_one(function, arguments)
        key = function.__name__, _lanes(arguments[0])
        if key not in self._traces:
            self._traces[key] = _compiled(vmap(function), arguments)
        return self._traces[key](*arguments)


def _compiled(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The function for arguments of these shapes, traced where that is possible."""
    flat_inputs, in_spec = pytree.tree_flatten(arguments)
    out_spec = pytree.tree_flatten(function(*arguments))[1]

    def flat_function(*flat: Tensor) -> list[Tensor]:
        return pytree.tree_flatten(function(*pytree.tree_unflatten(list(flat), in_spec)))[0]

    forward = traced(flat_function, flat_inputs)
    if forward is None:
        return function

    def replay(*values: Any) -> Any:
        flat = [tensor for value in values for tensor in (value.values() if isinstance(value, dict) else (value,))]
        return pytree.tree_unflatten(forward(*flat), out_spec)

    return replay


def _one_by_one(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """What `vmap` would give, one lane after another, for functions that it cannot batch."""
    lanes = _lanes(arguments[0])
    results = [
        function(*(pytree.tree_map(lambda tensor, lane=lane: tensor[lane], argument) for argument in arguments))
        for lane in range(lanes)
    ]
    return pytree.tree_map(lambda *tensors: torch.stack(tensors), *results)


def _lanes(tensors: Stacked) -> int:
    return next(iter(tensors.values())).shape[0]
