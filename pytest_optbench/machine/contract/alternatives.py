"""Alternatives: other values of a hyperparameter that the constructor accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_optbench.machine.contract.subject import VARIANTS, Subject


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
    """Another value of the hyperparameter, far enough from its own to be seen; None where the constructor takes none.

    A flag is turned over; a number is halved or doubled, or 0.1 in place of 0; a tiny one, as eps is, grows by 1e4.
    """
    for value in _candidates(subject.option(name)):
        if subject.buildable(**{name: value}):
            return value
    return None


def _candidates(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        if 0 < abs(value) < 1e-6:
            yield value * 1e4
        yield from (value * 0.5, value * 2.0) if value else (0.1, 0.5)
    elif isinstance(value, (tuple, list)):
        others = [[next(_candidates(entry), entry) for entry in value]]
        others += [[*value[:k], entry, *value[k + 1 :]] for k in range(len(value)) for entry in _candidates(value[k])]
        yield from (type(value)(other) for other in others if other != list(value))
