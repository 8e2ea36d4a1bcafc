"""A walk: one optimizer over parameters of its own, led along scripted gradients. What every check is made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.streams import derived_seed

Gradient = Callable[[int, int, Tensor], Tensor | None]
"""(step from 0, index of the parameter, its value) -> its gradient, or None."""


@lru_cache(maxsize=8192)
def normal(*key: Any, shape: tuple[int, ...]) -> Tensor:
    """Standard normal entries in float64, always the same for the same key: not to be written to."""
    generator = torch.Generator().manual_seed(derived_seed("contract", *key))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class Script:
    """The gradients of a check: scale * (seeded normal entries + slope * p).

    With a slope, which is the gradient of a quadratic, a trajectory that has come off its way stays off it.
    """

    seed: int = 0
    scale: float = 1.0
    slope: float = 0.3

    def __call__(self, t: int, index: int, parameter: Tensor) -> Tensor | None:
        draw = normal(self.seed, "gradient", t, index, shape=tuple(parameter.shape))
        value = draw.to(parameter.device) + self.slope * parameter.to(torch.float64)
        return (self.scale * value).to(parameter.dtype)


def renumbered(gradient: Gradient, indices: Sequence[int], *, delay: int = 0) -> Gradient:
    """The same gradients for a walk over some of the parameters, in the order of `indices`, that begins `delay` steps
    later."""
    return lambda t, index, parameter: gradient(t + delay, indices[index], parameter)


class Walk:
    """Owns parameters, as a training loop does, and the optimizer under check; `t` counts the steps taken.

    A closure, `train()`, a differentiable gradient or a sparse one: whatever the optimizer needs, it is given.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        shapes: Sequence[tuple[int, ...]] | None = None,
        start: Sequence[Tensor] | None = None,
        gradient: Gradient | None = None,
        groups: Sequence[tuple[Sequence[int], Mapping[str, Any]]] | None = None,
        options: Mapping[str, Any] | None = None,
        handed: Callable[[Sequence[Tensor]], Iterable[Any]] | None = None,
        objective: Callable[[Sequence[Tensor]], Tensor] | None = None,
    ) -> None:
        """`start` holds initial values instead of `shapes`; `groups` are (indices of parameters, options of the group);
        `options` go on top of the configuration's; `handed` is how the constructor gets its parameters, if not as a
        list or groups; `objective` is the loss that closures return, for gradients that are those of one."""
        self.subject = subject
        self.gradient: Gradient = gradient if gradient is not None else Script(subject.seed)
        self.options = dict(options or {})
        self.objective = objective
        self.t = 0
        values = initial(subject, shapes) if start is None else start
        self.parameters = [torch.nn.Parameter(value.detach().clone()) for value in values]
        self.random: RandomState | None = None
        """The global random state as this walk left it; kept only for an optimizer that claims to draw from it."""
        if subject.claimed("stochastic"):
            self.random = RandomState.seeded(derived_seed("contract", subject.seed, "optimizer"))
        with self.randomly():
            self.optimizer: Any = (
                subject.recipe.optimizer(handed(self.parameters), **{**subject.options, **self.options})
                if handed is not None
                else subject.build(
                    [{"params": [self.parameters[k] for k in indices], **own} for indices, own in groups]
                    if groups is not None
                    else self.parameters,
                    **self.options,
                )
            )
        self._groups = 1 if groups is not None else len(self.groups)
        self.train()

    def randomly(self) -> _OwnRandom:
        """The global random state is the walk's own in this block, so that two walks can go side by side."""
        return _OwnRandom(self)

    def train(self) -> None:
        """Before steps, for an optimizer that keeps two sets of weights."""
        if self.subject.declared.train_eval:
            self.optimizer.train()

    def eval(self) -> None:
        """Before the parameters are read, for an optimizer that keeps two sets of weights."""
        if self.subject.declared.train_eval:
            self.optimizer.eval()

    def step(self, gradient: Gradient | None = None) -> Any:
        """One step; returns what `optimizer.step` returned. Exceptions carry the number of the step."""
        script = gradient or self.gradient
        capabilities = self.subject.capabilities
        try:
            with self.randomly():
                if not capabilities.needs_closure or capabilities.gradient_before_closure:
                    self.assign(script)
                if capabilities.needs_closure:
                    result = self.optimizer.step(lambda: self.evaluate(script))
                else:
                    result = self.optimizer.step()
        except Exception as error:
            error.add_note(f"raised in step {self.t + 1} of the check")
            raise
        self.t += 1
        if capabilities.needs_graph:
            self.clear()  # a differentiable gradient leads back to its parameter
        return result

    def take(self, steps: int, gradient: Gradient | None = None) -> Walk:
        """So many steps; returns the walk."""
        for _ in range(steps):
            self.step(gradient)
        return self

    def assign(self, script: Gradient) -> None:
        """Put the script's gradients of this step on the parameters, in new tensors."""
        graph = self.subject.capabilities.needs_graph
        for index, parameter in enumerate(self.parameters):
            with torch.set_grad_enabled(graph):
                value = script(self.t, index, parameter if graph else parameter.detach())
            if value is not None and self.subject.claimed("sparse_only") and not value.is_sparse:
                value = value.to_sparse(1) if value.ndim else value
            parameter.grad = value

    def evaluate(self, script: Gradient | None = None) -> Tensor:
        """What a closure does: new gradients at the present parameters; returns their loss, a scalar."""
        self.assign(script or self.gradient)
        return self.loss()

    def loss(self) -> Tensor:
        """A scalar for a closure to return: the objective, else half the sum of squares of the parameters; float64."""
        values = [parameter.detach() for parameter in self.parameters]
        if self.objective is not None:
            return self.objective(values)
        reals = [torch.view_as_real(value) if value.is_complex() else value for value in values]
        return 0.5 * torch.stack([value.to(torch.float64).square().sum() for value in reals]).sum()

    def clear(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def values(self) -> list[Tensor]:
        """Copies of the parameters as they are."""
        return [parameter.detach().clone() for parameter in self.parameters]

    @property
    def groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        return groups

    def set(self, **hyperparameters: Any) -> None:
        """Write hyperparameters into every group, as a scheduler does."""
        for group in self.groups:
            for name, value in hyperparameters.items():
                known = group.get(name)
                if isinstance(known, Tensor) and isinstance(value, (int, float)):
                    known.fill_(value)
                else:
                    group[name] = value

    def state_of(self, index: int) -> dict[str, Any]:
        """The optimizer's state of one parameter; empty where there is none."""
        state: dict[str, Any] = self.optimizer.state.get(self.parameters[index], {})
        return state

    def resumed(self, state: Mapping[str, Any] | None = None, **options: Any) -> Walk:
        """A walk with a fresh optimizer, over copies of the present parameters, that has loaded a state_dict (this
        walk's, deeply copied, unless given)."""
        groups: list[tuple[list[int], dict[str, Any]]] | None = None
        if len(self.groups) > self._groups:  # made or added by the check, not by a factory
            index = {id(parameter): k for k, parameter in enumerate(self.parameters)}
            groups = [([index[id(p)] for p in group["params"]], {}) for group in self.groups]
        other = Walk(
            self.subject,
            start=self.values(),
            gradient=self.gradient,
            groups=groups,
            options={**self.options, **options},
        )
        loaded = copy.deepcopy(self.optimizer.state_dict()) if state is None else state
        other.optimizer.load_state_dict(loaded)
        other.train()
        other.random = self.random
        other.t = self.t
        return other


class _OwnRandom:
    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.before: RandomState | None = None

    def __enter__(self) -> None:
        # Moving the generators costs more than a step does, and few optimizers draw.
        if self.walk.random is not None:
            self.before = RandomState.current()
            self.walk.random.restore()

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            self.walk.random = RandomState.current()
            self.before.restore()


def initial(subject: Subject, shapes: Sequence[tuple[int, ...]] | None = None) -> list[Tensor]:
    """Starting values: standard normal entries, the same for the same seed, in the subject's dtype and device."""
    chosen = subject.shapes if shapes is None else shapes
    return [
        normal(subject.seed, "start", index, shape=tuple(shape)).to(
            dtype=subject.dtype, device=subject.device, copy=True
        )
        for index, shape in enumerate(chosen)
    ]


def lowest_precision(state: Any, dtype: torch.dtype) -> torch.dtype:
    """The lowest of a dtype and those of the fractions in a state; a counter is exact in any."""
    lowest = dtype
    for tensor in tensors_of(state):
        lower = tensor.is_floating_point() and torch.finfo(tensor.dtype).eps > torch.finfo(lowest).eps
        if lower and bool((tensor.detach().float() % 1 != 0).any()):
            lowest = tensor.dtype
    return lowest


def tensors_of(state: Any) -> list[Tensor]:
    """All tensors in a state, however deeply nested, in a fixed order."""
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, Mapping):
        return [tensor for value in state.values() for tensor in tensors_of(value)]
    if isinstance(state, (list, tuple)):
        return [tensor for value in state for tensor in tensors_of(value)]
    return []
