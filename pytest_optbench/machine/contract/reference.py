"""A reference: another implementation of the same method, of which a recipe claims that it takes the same steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

VARIANTS = ("foreach", "fused", "capturable", "differentiable")
"""Options that choose an implementation and mean nothing else."""


@dataclass(frozen=True)
class Reference:
    """The optimizer that a recipe's is compared with, and how to say the same thing to both."""

    optimizer: Callable[..., Any]
    names: Mapping[str, str] = field(default_factory=dict)
    """What the reference calls a hyperparameter of the recipe's optimizer; empty for one that it neither has nor needs.
    Those that are not listed have the same name in both."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for the reference alone."""

    @property
    def path(self) -> str:
        """The optimizer as module:name."""
        target = inspect.unwrap(self.optimizer)
        name = getattr(target, "__qualname__", type(target).__qualname__)
        return f"{getattr(target, '__module__', '')}:{name}"

    def called(self, name: str) -> str:
        """The reference's name of a hyperparameter; empty where it needs none."""
        return self.names.get(name, name)


def accepted(optimizer: Callable[..., Any]) -> set[str] | None:
    """Names of the hyperparameters that a constructor spells out; None where it takes any."""
    parameters = _parameters(optimizer)
    if not parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return spelled_out(optimizer)


def spelled_out(optimizer: Callable[..., Any]) -> set[str]:
    """Names of the hyperparameters that a constructor spells out, whatever else it takes."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {parameter.name for parameter in _parameters(optimizer) if parameter.kind not in variadic}


def defaults_of(optimizer: Callable[..., Any]) -> dict[str, Any]:
    """The defaults that a constructor spells out."""
    return {one.name: one.default for one in _parameters(optimizer) if one.default is not one.empty}


def _parameters(optimizer: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(optimizer).parameters.values())[1:]
    except (TypeError, ValueError):
        return []
