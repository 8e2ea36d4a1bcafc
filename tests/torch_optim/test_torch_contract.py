"""Every optimizer of torch.optim keeps the contract, but for the defects in the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
FEW = ("SGD::contract::nesterov", "Adam::contract::decoupled", "Muon::contract::plain", "SparseAdam::contract::default")
"""For CI: fused and foreach, two kinds of decay, matrices only, sparse gradients only; two defects among them."""


def bench(*items: str) -> subprocess.CompletedProcess[str]:
    """Run the table in a process of its own, as its user would, under this project's own settings of pytest."""
    ours = ("PYTEST_", "OPTBENCH_", "GITHUB_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name != "CI"}
    command = [sys.executable, "-m", "pytest", "--optbench", "-m", "optbench_contract", "-p", "no:cacheprovider"]
    chosen = [f"optbench.toml::{item}" for item in items]
    return subprocess.run([*command, *chosen], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)


def test_a_few_keep_it() -> None:
    session = bench(*FEW)
    assert session.returncode == pytest.ExitCode.OK, session.stdout
    assert "2 xfailed" in session.stdout


@pytest.mark.full
def test_all_keep_it() -> None:
    session = bench()
    assert session.returncode == pytest.ExitCode.OK, session.stdout
