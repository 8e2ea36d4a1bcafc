"""The optimizers of the table keep the contract, but for what is declared of them."""

from __future__ import annotations

import pytest
from outcomes import bench

FEW = ("lion_pytorch.Lion", "schedulefree.AdamWScheduleFree", "pytorch_optimizer.Grams")
CONTRACT = ("--optbench-layer=contract", "-m", "optbench_contract")


def test_a_few_keep_it() -> None:
    session = bench(*CONTRACT, *(f"optbench.toml::{name}::contract" for name in FEW))
    assert session.code == pytest.ExitCode.OK, session.text
    assert "xfailed" in session.text


@pytest.mark.full
def test_all_keep_it() -> None:
    session = bench(*CONTRACT)
    assert session.code == pytest.ExitCode.OK, session.text
