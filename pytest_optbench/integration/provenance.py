"""Provenance: the commit of the repository under test."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_sha(folder: Path) -> str:
    """The commit that `folder` has checked out; empty outside a repository or without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
