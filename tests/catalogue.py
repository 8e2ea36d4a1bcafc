"""The catalogue in tests: all tasks of it, or every so many of them, the others being left for `-m full`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pytest_optbench.machine.tasks import BUILTIN


def sampled(values: Iterable[Any] = BUILTIN, *, every: int, first: int = 0) -> list[Any]:
    """Parameters for pytest: each of the values, of which one in `every` runs by default, from the one at `first` on.

    Tests that cost much take different ones, so that among them every task is looked at.
    """
    parameters = []
    for place, value in enumerate(values):
        marks = [] if (place - first) % every == 0 else [pytest.mark.full]
        together = value if isinstance(value, tuple) else (value,)
        parameters.append(pytest.param(*together, id="-".join(map(_spelled, together)), marks=marks))
    return parameters


def _spelled(value: Any) -> str:
    return str(getattr(value, "name", None) or getattr(value, "__name__", value))
