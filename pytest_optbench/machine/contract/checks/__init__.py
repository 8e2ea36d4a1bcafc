"""The checks, one property family per file; `CHECKS` lists them in the order in which they are run and read."""

from __future__ import annotations

import inspect
from types import ModuleType

from pytest_optbench.machine.contract.check import Check
from pytest_optbench.machine.contract.checks import claimed, decay, descent, gradients, liveness, resume
from pytest_optbench.machine.contract.families import MEMBERS

_FAMILIES: tuple[ModuleType, ...] = (descent, gradients, resume, liveness, decay, claimed, *MEMBERS)


def _of(module: ModuleType) -> list[Check]:
    """The checks that a module defines, in the order of their definition."""
    found = {id(value): value for value in vars(module).values() if isinstance(value, Check)}
    return sorted(found.values(), key=lambda one: inspect.getsourcelines(one.test)[1])


CHECKS: dict[str, Check] = {check.name: check for module in _FAMILIES for check in _of(module)}
