"""For the runs of this folder: heavyball's switch for compiling, and warnings that are no answer."""

from __future__ import annotations

import pytest

WARNINGS = (
    "Learning rate changed between steps",  # heavyball, once in a process
    "Parameter `foreach` is deprecated",  # optimi
    "Casting complex values to real",  # torch, once in a process
    "The computed precond_init_scale",  # heavyball, once in a process
)
"""Where warnings are errors these would refuse what is to be looked at, in whichever check comes first."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("optbench"):
        import heavyball  # noqa: PLC0415 - heavy: not for ordinary tests

        # It compiles every function at its first call, for half a minute.
        heavyball.utils.compile_mode = None
        for text in WARNINGS:
            config.addinivalue_line("filterwarnings", f"ignore:{text}")
