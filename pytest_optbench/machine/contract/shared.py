"""Shared numbers: what all optimizers of a class have in common and a step may have changed, such as a counter in the
class."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_FOREIGN = ("torch", "builtins", "typing", "abc", "collections", "pytest_optbench")


@dataclass(frozen=True)
class Place:
    """Where a number is, and how to write one there."""

    name: str
    value: float
    put: Callable[[Any], None]
    held: Any


def shared_numbers(made: Optimizer, factory: object) -> dict[str, Place]:
    """The numbers in the classes of an optimizer and in their modules, also in a dict there; by name."""
    classes = [one for one in type(made).__mro__ if one.__module__.partition(".")[0] not in _FOREIGN]
    module = getattr(inspect.unwrap(factory), "__module__", "") if callable(factory) else ""
    modules = dict.fromkeys([*(one.__module__ for one in classes), module])
    found: dict[str, Place] = {}
    for one in classes:
        found |= {place.name: place for place in _of_class(one)}
    for name in modules:
        if name in sys.modules and name.partition(".")[0] not in _FOREIGN:
            found |= {place.name: place for place in _of_mapping(vars(sys.modules[name]), name, "{0}.{1}")}
    return found


def _of_class(one: type) -> Iterator[Place]:
    for key, value in list(vars(one).items()):
        name = f"{one.__qualname__.rpartition('.')[2]}.{key}"
        if _is_number(value):
            yield Place(name, float(value), lambda new, key=key: setattr(one, key, new), value)  # type: ignore[misc]
        elif isinstance(value, dict) and not key.startswith("__"):
            yield from _of_mapping(value, name, "{0}[{1!r}]")


def _of_mapping(values: MutableMapping[Any, Any], name: str, form: str, *, deep: bool = True) -> Iterator[Place]:
    for key, value in list(values.items()):
        inner = form.format(name, key)
        if _is_number(value):
            yield Place(inner, float(value), lambda new, key=key: values.__setitem__(key, new), value)  # type: ignore[misc]
        elif deep and isinstance(value, dict) and not str(key).startswith("__"):
            yield from _of_mapping(value, inner, "{0}[{1!r}]", deep=False)


def _is_number(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex() and value.device.type != "meta"
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def changed(before: Mapping[str, Place], after: Mapping[str, Place]) -> list[Place]:
    """The places where there is another number after than before, as they are after."""
    return [place for name, place in after.items() if name in before and before[name].value != place.value]


@contextmanager
def at_zero(places: list[Place]) -> Iterator[None]:
    """These numbers are zero in the block, and what they were after it."""
    for place in places:
        place.put(torch.zeros_like(place.held) if isinstance(place.held, Tensor) else type(place.held)(0))
    try:
        yield
    finally:
        for place in places:
            place.put(place.held)
