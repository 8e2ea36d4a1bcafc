"""Batched functions: a task's gradient and evaluation over a leading dimension of lanes, traced once and replayed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree

from pytest_optbench.machine.engine.graph import traced, without_first
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
        self._traces: dict[tuple[str, int], _Replay] = {}

    def gradient(
        self, parameters: Stacked, constants: Stacked, batch: Stacked, memory: Stacked
    ) -> tuple[Stacked, Stacked]:
        """Gradients as handed to the optimizer, and the new memory."""
        arguments = (parameters, constants, batch, memory)
        if not self.task.batchable:
            _, gradient, memory = _one_by_one(self._value_and_gradient, arguments)
            return gradient, memory
        result: tuple[Stacked, Stacked] = self._replay(self._value_and_gradient, arguments).rest(*arguments)
        return result

    def differentiable_gradient(
        self, parameters: Stacked, constants: Stacked, batch: Stacked, memory: Stacked
    ) -> tuple[Tensor, Stacked, Stacked]:
        """What `value_and_gradient` gives, untraced, with a graph back to the parameters if autograd records."""
        arguments = (parameters, constants, batch, memory)
        if not self.task.batchable:
            result: tuple[Tensor, Stacked, Stacked] = _one_by_one(self._value_and_gradient, arguments)
        else:
            result = vmap(self._value_and_gradient)(*arguments)
        return result[0].detach(), result[1], {name: tensor.detach() for name, tensor in result[2].items()}

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
        return self._seldom("metrics", parameters, constants)

    def diagnostics(self, parameters: Stacked, constants: Stacked) -> Stacked:
        """The task's own signs of health of every lane, each (lanes,)."""
        return self._seldom("diagnostics", parameters, constants)

    def examples(self, parameters: Stacked, constants: Stacked) -> Stacked:
        """The task's example outputs of every lane."""
        return self._seldom("examples", parameters, constants)

    def _seldom(self, method: str, parameters: Stacked, constants: Stacked) -> Stacked:
        """What a method of the task gives for every lane, untraced: too few calls to pay for a trace."""
        if getattr(type(self.task), method) is getattr(Task, method):
            return {}
        function: Callable[[Tensors, Tensors], Tensors] = getattr(self.task, method)
        if not self.task.batchable:
            return dict(_one_by_one(function, (parameters, constants)))
        return dict(vmap(function)(parameters, constants))

    def _value_and_gradient(
        self, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensor, Tensors, Tensors]:
        value, gradient = self.task.gradient(parameters, constants, batch)
        gradient, memory = self.task.transform(gradient, parameters, constants, batch, memory)
        return value, gradient, memory

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if not self.task.batchable:
            return _one_by_one(function, arguments)
        return self._replay(function, arguments)(*arguments)

    def _replay(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Replay:
        key = function.__name__, _lanes(arguments[0])
        if key not in self._traces:
            self._traces[key] = _Replay(vmap(function), arguments)
        return self._traces[key]


class _Replay:
    """A function for arguments of these shapes, traced where that is possible."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function = function
        flat_inputs, in_spec = pytree.tree_flatten(arguments)
        result = function(*arguments)
        self._spec = pytree.tree_structure(result)
        self._spec_of_rest = pytree.tree_structure(result[1:]) if isinstance(result, tuple) else None

        def flat_function(*flat: Tensor) -> list[Tensor]:
            return pytree.tree_flatten(function(*pytree.tree_unflatten(list(flat), in_spec)))[0]

        self._module = traced(flat_function, flat_inputs)
        self._forward = None if self._module is None else self._module.forward

    def __call__(self, *arguments: Any) -> Any:
        if self._forward is None:
            return self._function(*arguments)
        return pytree.tree_unflatten(self._forward(*_flat(arguments)), self._spec)

    def rest(self, *arguments: Any) -> Any:
        """The result without its first part, whose last operations are not done."""
        if self._rest is None:
            return self._function(*arguments)[1:]
        assert self._spec_of_rest is not None
        return pytree.tree_unflatten(self._rest(*_flat(arguments)), self._spec_of_rest)

    @cached_property
    def _rest(self) -> Callable[..., Any] | None:
        return None if self._module is None else without_first(self._module).forward


def _flat(arguments: tuple[Any, ...]) -> list[Tensor]:
    return [tensor for value in arguments for tensor in (value.values() if isinstance(value, dict) else (value,))]


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
