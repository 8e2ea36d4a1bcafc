"""The checks, one property family per file; `CHECKS` lists them in the order in which they are run and read."""

from __future__ import annotations

import inspect
from types import ModuleType

from pytest_optbench.machine.contract.check import Check
from pytest_optbench.machine.contract.checks import (
    bounds,
    claimed,
    closures,
    copies,
    decay,
    descent,
    distributed,
    dtypes,
    gradients,
    groups,
    hooks,
    implementations,
    liveness,
    memory,
    modes,
    parity,
    randomness,
    rates,
    restart,
    resume,
    scaling,
    shapes,
    sparse,
    surroundings,
    symmetries,
    update,
    zeros,
)
from pytest_optbench.machine.contract.checks.exemptions import need_of
from pytest_optbench.machine.contract.families import MEMBERS

_FAMILIES: tuple[ModuleType, ...] = (
    descent,
    gradients,
    update,
    closures,
    resume,
    restart,
    copies,
    groups,
    liveness,
    rates,
    decay,
    zeros,
    shapes,
    dtypes,
    sparse,
    randomness,
    surroundings,
    symmetries,
    claimed,
    implementations,
    scaling,
    memory,
    bounds,
    hooks,
    modes,
    distributed,
    *MEMBERS,
    parity,
)


def _of(module: ModuleType) -> list[Check]:
    """The checks that a module defines, in the order of their definition."""
    found = {id(value): value for value in vars(module).values() if isinstance(value, Check)}
    return sorted(found.values(), key=lambda one: inspect.getsourcelines(one.test)[1])


_PROPERTIES = [check for module in _FAMILIES for check in _of(module)]

CHECKS: dict[str, Check] = {check.name: check for check in (*_PROPERTIES, need_of(_PROPERTIES))}
