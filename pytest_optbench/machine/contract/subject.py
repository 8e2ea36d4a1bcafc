"""A subject: one configuration of a recipe in one dtype, as the checks see it; it builds optimizers and answers what is
claimed, offered and accepted."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pytest_optbench.machine.contract.reference import VARIANTS
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.recipe import Capabilities, Recipe, probed
from pytest_optbench.words.claims import DEFAULT_CONFIGURATION, PROPERTIES

SHAPES: tuple[tuple[int, ...], ...] = ((4, 3), (4, 3), (6,), (2, 3, 2, 2))
MATRICES: tuple[tuple[int, ...], ...] = ((4, 3), (4, 3), (3, 5), (5, 2))
"""The shapes for what accepts matrices only."""

__all__ = ["MATRICES", "SHAPES", "SHAPE_OF", "VARIANTS", "Groups", "Subject"]

Groups = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Subject:
    """What a check is given. `claims` are the recipe's, with those for this configuration on top."""

    recipe: Recipe
    declared: Capabilities
    """What signature, constructor and claims tell; known before anything runs."""
    configuration: str = DEFAULT_CONFIGURATION
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    seed: int = 0
    """Moves every starting point and gradient of every check; no verdict may depend on it."""
    _probed: dict[str, Capabilities] = field(default_factory=dict, repr=False, compare=False)
    _built: dict[str, Optimizer] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """Hyperparameters of this configuration; the class's own defaults are left out."""
        return {**self.recipe.hyperparameters, **self.recipe.configurations.get(self.configuration, {})}

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        table = self.recipe.claims.get(self.configuration)
        own = table if isinstance(table, Mapping) else {}  # a configuration may have the name of a claim
        claims = {key: value for key, value in self.recipe.claims.items() if not isinstance(value, Mapping)}
        if not self.derived:
            return {**claims, **own}
        # Nobody has said of a derived configuration that it has the properties of the default; with a flag turned, not
        # even that its decay is of the same kind.
        options = self.recipe.configurations[self.configuration]
        turned = any(isinstance(value, bool) and name not in VARIANTS for name, value in options.items())
        lost = {*PROPERTIES, "weight_decay"} if turned else PROPERTIES
        return {**{key: value for key, value in claims.items() if key not in lost}, **own}

    @property
    def family(self) -> str:
        return str(self.claims.get("family", "" if self.derived else self.recipe.family))

    @property
    def derived(self) -> bool:
        """Was the configuration declared by nobody?"""
        return self.configuration in self.recipe.derived

    @property
    def described(self) -> str:
        """The options as they are written in a call."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items()) or "its own defaults"

    def claimed(self, name: str) -> bool:
        """Is a claim made that is a flag, a list or a number (and not false, empty or zero)?"""
        return bool(self.claims.get(name))

    @property
    def capabilities(self) -> Capabilities:
        """With what steps on a toy problem tell. Runs the user's code: only inside a check."""
        if "" not in self._probed:
            self._probed[""] = probed(self.recipe, self.declared)
        return self._probed[""]

    @cached_property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The dtypes that every numerical property is checked in."""
        return (torch.float32,) if self.claimed("no_fp64") else (torch.float32, torch.float64)

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of a check's parameters, unless it says otherwise: those that the constructor accepts."""
        accepted = self.declared.dimensions
        chosen = tuple(shape for shape in SHAPES if len(shape) in accepted)
        return MATRICES if {len(shape) for shape in chosen} == {2} else chosen

    def accepts(self, ndim: int) -> bool:
        """Does the constructor accept parameters of so many dimensions?"""
        return ndim in self.declared.dimensions

    @cached_property
    def keywords(self) -> Mapping[str, Any]:
        """What the constructor calls its hyperparameters, with their values in this configuration.

        Read from the signature; where that has `**kwargs`, also from the defaults of an instance: there a constructor
        may keep counters, so that beside named arguments only what it takes from its caller is one. A hyperparameter
        without a value anywhere is left out.
        """
        named: dict[str, Any] = {}
        try:
            parameters = list(inspect.signature(self.recipe.optimizer).parameters.values())[1:]
        except (TypeError, ValueError):
            parameters = []
        variadic = False
        known = {parameter.name for parameter in parameters}
        for parameter in parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                variadic = True
            elif parameter.kind is parameter.VAR_POSITIONAL:
                continue
            elif parameter.default is not parameter.empty or parameter.name in self.options:
                named[parameter.name] = self.options.get(parameter.name, parameter.default)
        if variadic or not parameters:
            spelled = len(named) > 0
            more = {k: v for k, v in self.defaults.items() if k in named or not spelled or self._takes(k, v)}
            named = {**more, **named}
        return {**named, **{name: value for name, value in self.options.items() if name in known or variadic}}

    def _takes(self, name: str, value: Any) -> bool:
        """Is what the constructor is given for it, if that is a number, found in the defaults, or refused?"""
        if not isinstance(value, (bool, int, float)):
            return True
        other = not value if isinstance(value, bool) else value / 2 if value else 0.5
        ndim = 2 if self.accepts(2) else min(self.declared.dimensions)
        try:
            with isolated():
                built = self.build([torch.nn.Parameter(torch.ones(*SHAPE_OF[ndim]))], **{name: other})
        except Exception:
            return True
        return bool(built.defaults.get(name, other) != value)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The `defaults` of an instance in this configuration."""
        with isolated():
            return dict(self.sample.defaults)

    @property
    def sample(self) -> Optimizer:
        """An instance to look at, never to step: over one parameter."""
        if self.configuration not in self._built:
            ndim = 2 if self.accepts(2) else min(self.declared.dimensions)
            with isolated():
                parameter = torch.nn.Parameter(torch.ones(*SHAPE_OF[ndim]))
                self._built[self.configuration] = self.build([parameter])
        return self._built[self.configuration]

    @property
    def lr(self) -> float | None:
        """The learning rate in this configuration; None for an optimizer without one."""
        value = self.sample.param_groups[0].get("lr") if self.sample.param_groups else None
        return float(value) if isinstance(value, (int, float, Tensor)) else None

    def option(self, name: str, default: Any = None) -> Any:
        """The value of a hyperparameter in this configuration; `default` for one that there is not."""
        return self.keywords.get(name, default)

    def offers(self, name: str) -> bool:
        """Is there such a hyperparameter?"""
        return name in self.keywords

    def build(self, parameters: Iterable[Any], **overrides: Any) -> Optimizer:
        """A fresh optimizer in this configuration, over tensors, groups or (name, tensor) pairs."""
        return self.recipe.build(parameters, **{**self.options, **overrides})

    def buildable(self, **overrides: Any) -> bool:
        """Does the constructor take these options?"""
        ndim = 2 if self.accepts(2) else min(self.declared.dimensions)
        try:
            with isolated():
                self.build([torch.nn.Parameter(torch.ones(*SHAPE_OF[ndim]))], **overrides)
        except Exception:
            return False
        return True

    def in_dtype(self, dtype: torch.dtype) -> Subject:
        return replace(self, dtype=dtype)


SHAPE_OF: Mapping[int, tuple[int, ...]] = {0: (), 1: (6,), 2: (4, 3), 3: (2, 4, 3), 4: (2, 3, 2, 2)}
"""A shape by its number of dimensions."""
