"""Configurations: what the contract looks at, beside the default; derived where a recipe declares none.

Much of what goes wrong sits behind an option: a decay that is off by default, a momentum of zero, a flag. Nothing needs
to be declared to see whether such an option keeps what holds of every optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_optbench.machine.contract.reference import VARIANTS
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Capabilities, Recipe

OFF = {"momentum": 0.9, "weight_decay": 0.1}
"""Hyperparameters that mean "off" at zero, also where the zero is a whole number; and what turns them on."""

OTHER = 0.1
"""What turns on any other number whose default is zero."""


def subjects(recipe: Recipe, declared: Capabilities, *, device: str = "cpu", seed: int = 0) -> list[Subject]:
    """The default configuration and every declared one; where none is declared, those that are derived."""
    first = Subject(recipe, declared, device=device, seed=seed)
    if recipe.derives:
        found = derived_configurations(first)
        first = replace(first, recipe=replace(recipe, configurations=found, derived=frozenset(found), derives=False))
    return [first, *(replace(first, configuration=name) for name in first.recipe.configurations)]


def derived_configurations(subject: Subject) -> dict[str, Mapping[str, Any]]:
    """Configurations by name, each one option away from the default: a decay, a momentum or another number that is zero
    by default; a flag turned; `foreach`.

    Where momentum is zero by default it is on in all of them, as most options matter only with it. An option that
    `dead_ok` names is left alone, and so is one whose other value the constructor refuses. Names are as in a call,
    `weight_decay=0.1`, which no declared configuration may be called. No step is taken.
    """
    options = _options(subject)
    momentum = {"momentum": OFF["momentum"]} if "momentum" in options else {}
    if not subject.buildable(**momentum):
        momentum = {}
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in options.items():
        decay = {k: options[k] for k in ("weight_decay",) if k in options and name in VARIANTS}
        for chosen in ({**momentum, **decay, name: value}, {name: value}):
            if subject.buildable(**chosen):
                found[f"{name}={value}"] = chosen
                break
    return found


def _options(subject: Subject) -> dict[str, Any]:
    """The other value of each option that is off, or a flag."""
    alone = subject.claims.get("dead_ok", ())
    found: dict[str, Any] = {}
    for name, value in subject.keywords.items():
        if name in alone or name in subject.recipe.hyperparameters:
            continue
        if name in VARIANTS:
            if name == "foreach" and not value:
                found[name] = True
        elif isinstance(value, bool):
            found[name] = not value
        elif isinstance(value, (int, float)) and value == 0 and (name in OFF or _is_real(subject, name)):
            found[name] = OFF.get(name, OTHER)
    return found


def _is_real(subject: Subject, name: str) -> bool:
    """Is the hyperparameter a real number, going by its default or by what the signature says?"""
    if isinstance(subject.keywords[name], float):
        return True
    try:
        parameter = inspect.signature(subject.recipe.optimizer).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.annotation in (float, "float")
