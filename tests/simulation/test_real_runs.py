"""Real runs of what is unchanged, or only written otherwise: the gate lets it pass. The scripts do it at length."""

from __future__ import annotations

import pytest
import torch
from real_runs import suites, tallies
from rewrites import REWRITES, STEP, look


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_fresh_seeds_of_an_unchanged_optimizer_never_fail() -> None:
    *_, (ranked, paired) = tallies(suites(["quartic_saddle"], seeds=32, runs=4))
    assert (ranked.runs, ranked.failed, paired.failed) == (3, 0, 0)
    assert ranked.words == paired.words == {"changed": 6}


def test_rewrites_of_a_step_never_fail() -> None:
    found = look(REWRITES[::10], {"quartic_saddle": 0.1})
    assert [one.new for one in found if one.fails] == []
    assert {one.cases[0].change for one in found} <= {"unchanged", "changed"}


def test_a_line_that_says_something_else_fails() -> None:
    (found,) = look([(STEP, STEP.replace('group["lr"]', '1.01 * group["lr"]'))], {"quartic_saddle": 0.1})
    assert found.fails
    assert len(found.fingerprints) == 3
