"""What one lane does, by crashing, diverging or hanging, is its own affair."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
import torch
from harness import (
    ODD,
    Crashes,
    CrashesInTrain,
    CrashesWhenBuilt,
    Draws,
    Exits,
    Explodes,
    Hangs,
    Odd,
    Prompt,
    Rich,
    TurnsNaN,
    bits,
    make_case,
    run,
)

from pytest_optbench.machine.engine.case import CaseRun

CRASHES = [(Crashes, (ODD, 4)), (CrashesWhenBuilt, (ODD, 1)), (CrashesInTrain, (ODD, 3))]


@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
@pytest.mark.parametrize(
    ("optimizer", "outcome"),
    [
        (Crashes, "crashed"),
        (CrashesWhenBuilt, "crashed"),
        (CrashesInTrain, "crashed"),
        (Explodes, "diverged"),
        (TurnsNaN, "diverged"),
    ],
)
def test_the_others_keep_their_bits(optimizer, outcome, engine):
    found, expected = run(Rich(), optimizer, engine=engine), bits(Rich(), Odd)
    assert {seed: row.outcome for seed, row in found.items()} == {
        seed: outcome if seed == ODD else "missed" for seed in found
    }
    assert all(row.trajectory_sha == expected[seed] for seed, row in found.items() if seed != ODD)


@pytest.mark.parametrize(("optimizer", "place"), CRASHES)
def test_a_crash_is_kept_with_its_seed_and_step(optimizer, place):
    case = CaseRun(make_case(Rich(), optimizer))
    case.run()
    assert isinstance(case.crash, ArithmeticError)
    assert case.crashed_at == place


@pytest.mark.parametrize(("optimizer", "evaluations"), [(Crashes, 4), (CrashesInTrain, 3), (CrashesWhenBuilt, 0)])
def test_a_crashed_run_keeps_what_it_measured(optimizer, evaluations):
    found = run(Prompt(), optimizer)[ODD]
    assert len(json.loads(found.curve)) == evaluations
    assert (found.initial is None) == (evaluations == 0)


class AllCrashInTrain(torch.optim.SGD):
    turns = 0

    def train(self):
        self.turns += 1
        if self.turns == 4:
            raise ArithmeticError("in train()")

    def eval(self):
        pass


@pytest.mark.parametrize("engine", ["stacked", "lockstep", "sequential"])
def test_all_of_them_crash_in_train(engine):
    case = CaseRun(make_case(Rich(), AllCrashInTrain, engine=engine))
    case.run()
    assert {row.outcome for row in case.rows()} == {"crashed"}
    assert isinstance(case.crash, ArithmeticError)


def test_a_scheduler_that_raises_is_a_crash():
    class Broken:
        def __init__(self, optimizer, budget):
            pass

        def step(self):
            raise ArithmeticError("no more learning rates")

    assert {row.outcome for row in run(Rich(), Odd, scheduler=Broken).values()} == {"crashed"}


def test_a_lane_that_hangs_times_the_case_out():
    case = CaseRun(make_case(Rich(), Hangs, timeout=1.0))
    case.run()
    assert case.timed_out
    assert {row.outcome for row in case.rows()} == {"timeout"}
    assert all(row.initial is not None for row in case.rows())


def test_lanes_that_were_done_before_the_timeout_keep_their_outcome():
    case = CaseRun(make_case(Rich(), Hangs, timeout=1.0, engine="sequential", seeds=(0, 1, 2, 3, 4)))
    case.run()
    assert [row.outcome for row in case.rows()] == ["missed", "missed", "timeout", "timeout", "timeout"]


def test_no_limit_is_set_by_default():
    case = CaseRun(make_case(Rich(), Odd))
    case.run()
    assert not case.timed_out


def test_an_interrupt_is_not_a_crash_and_keeps_what_was_measured():
    case = CaseRun(make_case(Rich(), Exits))
    with pytest.raises(KeyboardInterrupt):
        case.run()
    rows = case.rows(unfinished="crashed")
    assert {row.outcome for row in rows} == {"crashed"}
    assert all(row.initial is not None for row in rows)


@pytest.mark.parametrize("optimizer", [Odd, Crashes, Draws, TurnsNaN])
def test_global_generators_and_modes_are_as_before(optimizer):
    torch.set_default_dtype(torch.float64)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    try:
        run(Rich(), optimizer)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_an_optimizer_that_switches_gradients_off_does_not_switch_them_off_for_others():
    class SwitchesOff(Odd):
        def misbehave(self):
            assert torch.is_grad_enabled()
            torch.set_grad_enabled(False)

    assert {row.outcome for row in run(Rich(), SwitchesOff).values()} == {"missed"}
    assert torch.is_grad_enabled()


def test_a_lane_that_diverges_has_diverged_at_its_last_value():
    found = run(Rich(), TurnsNaN)[ODD]
    assert math.isnan(found.final)
    assert math.isfinite(found.best)
