"""Fixtures for tests of the whole plugin: a project to run it in."""

from __future__ import annotations

import os

import pytest
from project import Project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in a folder of its own; inner sessions see 80 columns and none of the outer session's variables."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "OPTBENCH_", "GITHUB_")) or name == "CI"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    return Project(pytester)
