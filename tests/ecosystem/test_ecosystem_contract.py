"""The optimizers of the table keep the contract, but for what is declared of them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest
from outcomes import bench

FOLDER = Path(__file__).parent
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


def test_what_is_not_analysed_is_in_the_table() -> None:
    table = tomllib.loads((FOLDER / "optbench.toml").read_text("utf-8"))["optimizers"]
    with (FOLDER / "not_analysed.csv").open(encoding="utf-8") as file:
        assert {row["optimizer"] for row in csv.DictReader(file)} < table.keys()
