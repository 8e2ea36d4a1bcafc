"""The families: what is known in closed form of an optimizer that states what it is, one family per file."""

from __future__ import annotations

from types import ModuleType

from pytest_optbench.machine.contract.families import (
    adafactor_like,
    adagrad_like,
    adam_like,
    kronecker_preconditioned,
    lion_like,
    matrix_orthogonal,
    nadam_like,
    parameter_free,
    radam_like,
    rmsprop_like,
    scale_adaptive,
    schedule_free,
    sgd_like,
    sign_like,
)

MEMBERS: tuple[ModuleType, ...] = (
    adam_like,
    sgd_like,
    sign_like,
    lion_like,
    adagrad_like,
    rmsprop_like,
    radam_like,
    nadam_like,
    adafactor_like,
    matrix_orthogonal,
    kronecker_preconditioned,
    schedule_free,
    scale_adaptive,
    parameter_free,
)
