"""Optimizers of six packages, as they come from the index, named in a table and run: each with its outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from outcomes import DISTRIBUTIONS, FEW, Session, bench, declared, difference, outcomes, recorded

from pytest_optbench.words.run import Run

TO_RECORD = "if that is meant: python tests/ecosystem/outcomes.py"


def test_the_table_names_thirty_optimizers_of_six_packages() -> None:
    table = declared()
    assert len(table) >= 30
    assert {name.partition(".")[0] for name in table} == set(DISTRIBUTIONS)


@pytest.fixture(scope="module")
def few() -> Session:
    return bench(*FEW)


def test_every_optimizer_has_the_outcome_on_record(few: Session) -> None:
    found = outcomes(few.runs)
    assert {one.optimizer for one in found} == set(declared()), few.text
    moved = difference(recorded(), found)
    assert not moved, f"{moved}\n{TO_RECORD}"
    assert not [one for one in found if one.outcome in ("crashed", "timeout")]
    assert few.code == pytest.ExitCode.OK, few.text


def test_what_is_stacked_has_the_bits_of_lockstep(few: Session) -> None:
    stacked = {(run.recipe, run.task) for run in few.runs if run.engine == "stacked"}
    assert len({recipe for recipe, _ in stacked}) >= 20
    # Only these: whatever is refused has run in lockstep already.
    ids = [f"optbench.toml::{recipe}::tasks::{task}" for recipe, task in sorted(stacked)]
    lockstep = bench(*FEW, "--optbench-engine=lockstep", *ids)
    assert trajectories(lockstep.runs) == {
        case: sha for case, sha in trajectories(few.runs).items() if case[:2] in stacked
    }, lockstep.text


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
    stacked, lockstep, sequential = (
        trajectories(bench(*FEW, f"--optbench-engine={mode}").runs) for mode in ("stacked", "lockstep", "sequential")
    )
    assert stacked
    assert stacked == lockstep == sequential


def trajectories(runs: Iterable[Run]) -> dict[tuple[str, str, int], str]:
    """The hash of every run by optimizer, task and seed."""
    return {(run.recipe, run.task, run.seed): run.trajectory_sha for run in runs}
