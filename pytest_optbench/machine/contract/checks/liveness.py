"""Liveness: every hyperparameter has an effect."""

from __future__ import annotations

from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject


def _names(subject: Subject) -> list[str]:
    return []


@check(over=_names)
def hyperparameters_are_live(subject: Subject, name: str) -> None:
    """A hyperparameter that is changed changes the trajectory, or its value is refused."""
