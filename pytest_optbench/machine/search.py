"""A search: what a recipe leaves open, and the values that tuning tries for it."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.errors import OptbenchError

LEARNING_RATES: tuple[float, ...] = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-10, 3))
"""Half-decades from 1e-5 to 1e1, three digits each: the grid of a learning rate that nobody has set."""
MOST_CANDIDATES = 64
_LINEAR_POINTS = 5

Search = Mapping[str, tuple[Any, ...]]
"""The values to try, by hyperparameter."""


def open_search(recipe: Recipe) -> Search:
    """What tuning may choose for a recipe: its declared search, else a learning rate that is not set; {} for nothing.

    `search = { lr = { low, high, log = true } }` stands for half-decades from low to high, without `log` for five
    evenly spaced values, `{ values = [...] }` for exactly those. Raises OptbenchError for a space that makes no sense.
    """
    if recipe.search is not None:
        where = f"{recipe.where}: search"
        for name in recipe.search:
            if name in recipe.hyperparameters:
                raise OptbenchError(f"{where}.{name}: it is also set in 'hyperparameters'; keep one of the two")
        found = {name: _values(space, f"{where}.{name}") for name, space in recipe.search.items()}
        count = math.prod(map(len, found.values()))
        if count > MOST_CANDIDATES:
            raise OptbenchError(f"{where} spans {count} combinations; expected at most {MOST_CANDIDATES}")
        return found
    if "lr" in recipe.hyperparameters or not _takes_lr(recipe):
        return {}
    return {"lr": LEARNING_RATES}


def candidates(recipe: Recipe, search: Search) -> Iterator[Recipe]:
    """The recipe with every combination of the values, in the order of the grid."""
    for values in itertools.product(*search.values()):
        yield chosen(recipe, dict(zip(search, values, strict=True)))


def chosen(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with these values for what it left open."""
    return replace(recipe, hyperparameters={**recipe.hyperparameters, **values}, tuned=tuple(values))


def stand_in(recipe: Recipe, search: Search) -> Recipe:
    """The recipe with a middling value for everything that is open: to build it before it is tuned."""
    return chosen(recipe, {name: values[len(values) // 2] for name, values in search.items()}) if search else recipe


def _takes_lr(recipe: Recipe) -> bool:
    try:
        return "lr" in inspect.signature(recipe.optimizer).parameters
    except (TypeError, ValueError):
        return False


def _values(space: Mapping[str, Any], where: str) -> tuple[Any, ...]:
    if "values" in space:
        values = space["values"]
        if len(space) > 1 or not isinstance(values, list) or not values:
            raise OptbenchError(f"{where} is {dict(space)}; expected values = [...] alone, with at least one value")
        for k, value in enumerate(values):
            if value != value or value in values[:k]:  # noqa: PLR0124 - NaN is not itself
                raise OptbenchError(f"{where}: values contains {value!r} twice or as no number; expected each once")
        return tuple(tuple(value) if isinstance(value, list) else value for value in values)
    low, high, log = space.get("low"), space.get("high"), space.get("log", False)
    numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not isinstance(log, bool):
        raise OptbenchError(f"{where} is {dict(space)}; expected low and high as numbers, and log as true or false")
    assert isinstance(low, (int, float))
    assert isinstance(high, (int, float))
    if not low < high < math.inf or (log and not low > 0):
        raise OptbenchError(f"{where}: low {low} and high {high}; expected {'0 < ' if log else ''}low < high")
    if not log:
        return tuple(low + (high - low) * k / (_LINEAR_POINTS - 1) for k in range(_LINEAR_POINTS))
    steps = math.floor(2 * math.log10(high / low) + 1e-9)
    return tuple(float(f"{low * 10 ** (k / 2):.3g}") for k in range(steps + 1))
