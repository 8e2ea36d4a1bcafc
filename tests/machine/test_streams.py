"""Streams: independent of each other, of the machine, and of the global generators."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pytest_optbench.machine.streams import Streams, derived_seed

STREAMS = Streams("rosenbrock2", 1, seed=3, block=2)
PURPOSES = ("init", "data", "noise")


def draw(streams, purpose):
    return torch.rand((), generator=getattr(streams, purpose), dtype=torch.float64).item()


def first(streams, purpose):
    """The first number that streams like these draw."""
    return draw(replace(streams), purpose)


@pytest.mark.parametrize(
    ("parts", "seed"),
    # SHA-256 of the parts joined by "/": its first 8 bytes, less the last bit.
    [((), 0xE3B0C44298FC1C14 >> 1), (("a", 1), 0x773232ABE9343F0E >> 1)],
)
def test_a_derived_seed_is_the_same_on_every_machine(parts, seed):
    assert derived_seed(*parts) == seed


def test_a_derived_seed_fits_into_63_bits():
    assert all(0 <= derived_seed(k) < 2**63 for k in range(1000))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_equal_streams_draw_equal_numbers(purpose):
    assert first(STREAMS, purpose) == first(Streams("rosenbrock2", 1, seed=3, block=2), purpose)


@pytest.mark.parametrize("change", [{"task": "rosenbrock"}, {"version": 2}, {"seed": 4}, {"block": 3}])
@pytest.mark.parametrize("purpose", PURPOSES)
def test_whatever_is_different_changes_the_numbers(purpose, change):
    assert first(STREAMS, purpose) != first(replace(STREAMS, **change), purpose)


def test_purposes_draw_different_numbers():
    assert len({first(STREAMS, purpose) for purpose in PURPOSES}) == 3


def test_a_purpose_goes_on_where_it_was():
    streams = replace(STREAMS)
    assert draw(streams, "init") != draw(streams, "init")


def test_drawing_for_one_purpose_does_not_move_another():
    streams = replace(STREAMS)
    torch.rand(100, generator=streams.data)
    assert draw(streams, "noise") == first(STREAMS, "noise")


def test_the_seed_of_the_optimizer_is_that_of_the_run_not_of_a_block():
    assert STREAMS.optimizer_seed == replace(STREAMS, block=7).optimizer_seed
    assert STREAMS.optimizer_seed != replace(STREAMS, seed=4).optimizer_seed
