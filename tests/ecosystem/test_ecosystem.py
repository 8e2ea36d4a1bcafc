"""Optimizers of six packages, as they come from the index, named in a table and run: each with its outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import DISTRIBUTIONS, FEW, bench, declared, difference, outcomes, recorded

TO_RECORD = "if that is meant: python tests/ecosystem/outcomes.py"


def test_the_table_names_thirty_optimizers_of_six_packages() -> None:
    table = declared()
    assert len(table) >= 30
    assert {name.partition(".")[0] for name in table} == set(DISTRIBUTIONS)


def test_every_optimizer_has_the_outcome_on_record() -> None:
    session = bench(*FEW)
    found = outcomes(session.runs)
    assert {one.optimizer for one in found} == set(declared()), session.text
    moved = difference(recorded(), found)
    assert not moved, f"{moved}\n{TO_RECORD}"
    assert not [one for one in found if one.outcome in ("crashed", "timeout")]
    assert session.code == pytest.ExitCode.OK, session.text


@pytest.mark.parametrize("column", ["version", "task", "outcome"])
def test_an_outcome_that_moves_is_shown(column: str) -> None:
    before = recorded()
    after = [replace(before[0], **{column: "another"}), *before[1:]]
    shown = difference(before, after).splitlines()
    assert len(shown) == 4
    assert shown[2].startswith(f"-{before[0].optimizer}")
    assert "another" in shown[3]


def test_an_optimizer_that_is_gone_is_shown() -> None:
    assert difference(recorded(), recorded()[1:]).count("\n-") == 1


def test_another_engine_is_no_other_outcome() -> None:
    assert not difference(recorded(), [replace(one, engine="another") for one in recorded()])


@pytest.mark.full
def test_every_expected_failure_is_declared() -> None:
    session = bench()
    assert {run.recipe for run in session.runs} == set(declared())
    assert not [run for run in session.runs if run.outcome in ("crashed", "timeout")]
    assert session.code == pytest.ExitCode.OK, session.text


@pytest.mark.full
def test_no_optimizer_can_tell_the_mode_in_which_its_seeds_are_run() -> None:
    modes = [
        {(run.recipe, run.task, run.seed): run.trajectory_sha for run in bench(*FEW, f"--optbench-engine={mode}").runs}
        for mode in ("lockstep", "sequential")
    ]
    assert modes[0]
    assert modes[0] == modes[1]
