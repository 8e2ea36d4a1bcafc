"""Isolation: whatever a block does to global generators and modes is undone after it."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

from pytest_optbench.machine.determinism import RandomState, isolated
from pytest_optbench.machine.surroundings import Surroundings

DRAWS = {"torch": lambda: torch.rand(()).item(), "numpy": np.random.rand, "python": random.random}

every_generator = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@pytest.fixture(autouse=True)
def _restored():
    state = RandomState.current()
    yield
    state.restore()


@every_generator
def test_a_restored_state_draws_the_same_numbers_again(draw):
    state = RandomState.current()
    first = [draw() for _ in range(3)]
    state.restore()
    assert [draw() for _ in range(3)] == first


@every_generator
def test_states_are_the_same_until_something_is_drawn(draw):
    state = RandomState.current()
    assert RandomState.current().same(state)
    draw()
    assert not RandomState.current().same(state)


@every_generator
def test_a_seeded_state_depends_on_the_seed_alone(draw):
    first = RandomState.seeded(2**62 + 5)
    draw()
    second = RandomState.seeded(2**62 + 5)
    assert first.same(second)
    found = []
    for state in (first, RandomState.seeded(6)):
        state.restore()
        found.append(draw())
    assert found[0] != found[1]


def test_making_a_seeded_state_draws_nothing():
    before = RandomState.current()
    RandomState.seeded(5)
    assert RandomState.current().same(before)


def spoil():
    for draw in DRAWS.values():
        draw()
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)

    torch.set_default_device("meta")
    torch.set_anomaly_enabled(True)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_flush_denormal(True)
    os.chdir(os.sep)
    os.environ["OPTBENCH_TRIAL"] = "1"
    del os.environ["PATH"]


@pytest.mark.parametrize("error", [None, ArithmeticError, KeyboardInterrupt])
def test_everything_is_as_before_the_block(error):
    before, state = Surroundings.current(), RandomState.current()
    try:
        with isolated():
            spoil()
            if error:
                raise error
    except (ArithmeticError, KeyboardInterrupt):
        pass
    assert not list(before.changes(Surroundings.current()))
    assert RandomState.current().same(state)


def test_a_block_begins_with_its_threads_and_float32():
    torch.set_default_dtype(torch.float64)
    try:
        with isolated(threads=1):
            assert (torch.get_num_threads(), torch.get_default_dtype()) == (1, torch.float32)
    finally:
        torch.set_default_dtype(torch.float32)


def test_numerical_modes_are_fixed_inside_and_put_back_outside():
    torch.use_deterministic_algorithms(True)
    try:
        with isolated():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
