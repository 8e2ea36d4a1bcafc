"""heavyball compiles every function at its first call, for half a minute; this is its switch for that."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("optbench"):
        import heavyball  # noqa: PLC0415 - heavy: not for ordinary tests

        heavyball.utils.compile_mode = None
