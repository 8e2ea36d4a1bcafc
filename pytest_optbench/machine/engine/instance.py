"""An instance: one optimizer over parameters of its own, with its schedule; what the user wrote runs in here alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.recipe import Capabilities, Recipe
from pytest_optbench.machine.tasks.task import Tensors

Evaluate = Callable[[], tuple[Tensor, list[Tensor]]]
"""Computes loss and gradients at the present parameters."""


class Instance:
    """Owns leaf parameters, exactly as a training loop would have them, and everything that steps them.

    `crash` holds the exception that the optimizer raised, if it did; a crashed instance steps no more.
    """

    def __init__(self, recipe: Recipe, capabilities: Capabilities, budget: int) -> None:
        self.recipe = recipe
        self.capabilities = capabilities
        self.budget = budget
        self.parameters: dict[str, torch.nn.Parameter] = {}
        self.crash: Exception | None = None
        self.crashed_at = 0
        self.steps = 0
        self.gradients = 0
        self.random: RandomState | None = None
        """Its own global random state, once it is known that the optimizer draws from it."""
        self._leaves: list[torch.nn.Parameter] = []
        self._durations: list[float] = []
        self._guard = _Guard(self)
        self._optimizer: Any = None
        self._scheduler: Any = None

    def build(self, initial: Tensors) -> None:
        """Make the parameters, the optimizer and the scheduler; the global random state is the instance's own here."""
        # Contiguous, as the parameters of a module are when they are made: optimizers take views of them.
        self.parameters = {
            name: torch.nn.Parameter(tensor.clone(memory_format=torch.contiguous_format))
            for name, tensor in initial.items()
        }
        self._leaves = list(self.parameters.values())
        with self._guard:
            self._optimizer = self.recipe.build(self.parameters.values())
            if self.recipe.scheduler is not None:
                self._scheduler = self.recipe.scheduler(self._optimizer, self.budget)
        self.train_mode()

    def train_mode(self) -> None:
        """Before steps, for optimizers that keep two sets of weights."""
        if self.capabilities.train_eval and self.crash is None:
            with self._guard:
                self._optimizer.train()

    def eval_mode(self) -> None:
        """Before an evaluation, for optimizers that keep two sets of weights."""
        if self.capabilities.train_eval and self.crash is None:
            with self._guard:
                self._optimizer.eval()

    def step(self, gradient: list[Tensor] | None, closure: Evaluate | None) -> None:
        """One optimizer step from a gradient, from a closure that computes one at the parameters, or from both."""
        if gradient is not None:
            self._assign(gradient)
        with self._guard:
            started = perf_counter()
            if closure is not None:
                self._optimizer.step(partial(self._closure, closure))
            else:
                self._optimizer.step()
            self._durations.append(perf_counter() - started)
            if self._scheduler is not None:
                self._scheduler.step()
            self.steps += 1
        if self.capabilities.needs_graph:
            for parameter in self._leaves:
                parameter.grad = None  # its graph leads back to the parameter: memory that nobody would free

    @property
    def median_step(self) -> float | None:
        """Median seconds of optimizer.step(); the first, which allocates state, is as rare as it should be."""
        if not self._durations:
            return None
        return sorted(self._durations)[len(self._durations) // 2]

    @property
    def state_bytes_per_parameter(self) -> float | None:
        """Bytes of all tensors in the optimizer's state, each storage counted once, by scalar parameter."""
        parameters = sum(parameter.numel() for parameter in self.parameters.values())
        return self._state_bytes() / parameters if parameters and self.steps else None

    def _state_bytes(self) -> int:
        if self._optimizer is None:
            return 0
        tensors: dict[int, Tensor] = {}
        pending: list[object] = list(self._optimizer.state.values())
        while pending:
            value = pending.pop()
            if isinstance(value, Tensor):
                tensors[value.data_ptr() or id(value)] = value
            elif isinstance(value, dict):
                pending.extend(value.values())
            elif isinstance(value, (list, tuple)):
                pending.extend(value)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    def _assign(self, gradient: list[Tensor]) -> None:
        for parameter, value in zip(self._leaves, gradient, strict=True):
            parameter.grad = value
        self.gradients += 1

    def _closure(self, closure: Evaluate) -> Tensor:
        with torch.no_grad():
            value, gradient = closure()
            self._assign(gradient)
        return value


class _Guard:
    """Around everything of the user's: gradients on, as in a training loop; the instance's own random state, where it
    needs one; an exception becomes a crashed instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def __enter__(self) -> None:
        if self.instance.random is not None:
            self.instance.random.restore()
        torch.set_grad_enabled(True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        torch.set_grad_enabled(False)
        if self.instance.random is not None:
            self.instance.random = RandomState.current()
        if isinstance(error, Exception):
            self.instance.crash = error
            self.instance.crashed_at = self.instance.steps + 1
            return True
        return False
