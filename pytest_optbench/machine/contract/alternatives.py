"""Alternatives: for each hyperparameter another sensible value, so that its effect can be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_optbench.machine.contract.reference import VARIANTS
from pytest_optbench.machine.contract.subject import Subject

_SMALL = 1e-4
"""A positive number below this one is a guard against division by zero, and is changed by orders of magnitude."""


def alternatives(subject: Subject) -> dict[str, dict[str, Any]]:
    """By hyperparameter, the options that change it and nothing else: true for false, another number for a number.

    Of several numbers the entries are changed one by one, under names such as betas_0. What chooses an implementation,
    texts and what has no value are left out. The first number that the constructor takes is chosen; whether it takes
    the other truth value is not asked, for that may depend on another option.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, value in subject.keywords.items():
        if name in VARIANTS:
            continue
        if isinstance(value, bool):
            found[name] = {name: not value}
        elif isinstance(value, (int, float)):
            candidates: list[dict[str, Any]] = [{name: other} for other in _numbers(value)]
            if candidates:
                found[name] = _first_taken(subject, candidates)
        elif isinstance(value, (tuple, list)):
            for k, entry in enumerate(value):
                candidates = [{name: (*value[:k], other, *value[k + 1 :])} for other in _numbers(entry)]
                if candidates:
                    found[f"{name}_{k}"] = _first_taken(subject, candidates)
    return found


def merged(subject: Subject, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both changes at once, also where they are of two entries of one hyperparameter."""
    together = {**one, **other}
    for name in one.keys() & other.keys():
        before = subject.keywords[name]
        together[name] = tuple(
            mine if mine != old else theirs for old, mine, theirs in zip(before, one[name], other[name], strict=True)
        )
    return together


def numbers_of_groups(subject: Subject) -> list[str]:
    """Names of the hyperparameters that are numbers, flags or tuples of numbers and are entries of a group.

    What only chooses an implementation is left out. Takes no step.
    """
    groups = subject.sample.param_groups
    return [
        name
        for name, value in subject.keywords.items()
        if name not in VARIANTS and groups and name in groups[0] and next(_candidates(value), None) is not None
    ]


def alternative(subject: Subject, name: str) -> Any:
    """Another value of a hyperparameter, every entry of it changed where that is taken; None where none is taken."""
    for value in _candidates(subject.option(name)):
        if subject.buildable(**{name: value}):
            return value
    return None


def _candidates(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (tuple, list)):
        every = [next(_numbers(entry), entry) for entry in value]
        single = [[*value[:k], entry, *value[k + 1 :]] for k in range(len(value)) for entry in _numbers(value[k])]
        yield from (type(value)(other) for other in (every, *single) if other != list(value))
    else:
        yield from _numbers(value)


def _first_taken(subject: Subject, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    return next((options for options in candidates if subject.buildable(**options)), candidates[0])


def _numbers(value: object) -> Iterator[float]:
    """Other numbers in place of one, the most sensible first; none for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return
    if isinstance(value, int) and value > 1:
        yield from (value + 1, value - 1)
    elif value == 0:
        yield from (0.1, 1)
    elif 0 < value < _SMALL:
        yield from (value * 1e4, value * 3)
    elif 0 < value < 1:
        # A decay rate near one is moved by what is left of it to one.
        yield from (value * 3, value / 2) if value < 1 / 3 else (max(1 - 3 * (1 - value), value / 2), value * 0.9)
    else:
        yield from (value * 1.05, value * 0.95)  # little: coefficients of an iteration may leave where it is stable
