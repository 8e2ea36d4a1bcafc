"""Fixtures for tests of the actions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from runner import Runner


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner whose `python` is the one that runs the tests."""
    made = Runner(tmp_path)
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return made
