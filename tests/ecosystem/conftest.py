"""For the runs of this folder: heavyball's switch for compiling, warnings that are no answer, what is not analysed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

WARNINGS = (
    "Learning rate changed between steps",  # heavyball, once in a process
    "Parameter `foreach` is deprecated",  # optimi
    "Casting complex values to real",  # torch, once in a process
)
"""Where warnings are errors these would refuse what is to be looked at, in whichever check comes first."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("optbench"):
        import heavyball  # noqa: PLC0415 - heavy: not for ordinary tests

        # It compiles every function at its first call, for half a minute.
        heavyball.utils.compile_mode = None
        for text in WARNINGS:
            config.addinivalue_line("filterwarnings", f"ignore:{text}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the contract of optimizers whose failures nobody has looked into out of the run."""
    with (Path(__file__).parent / "not_analysed.csv").open(encoding="utf-8") as file:
        names = {row["optimizer"] for row in csv.DictReader(file)}
    out = [item for item in items if any(f"::{name}::contract::" in item.nodeid for name in names)]
    if out:
        items[:] = [item for item in items if item not in set(out)]
        config.hook.pytest_deselected(items=out)
