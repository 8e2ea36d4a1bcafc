"""deterministic and rng_untouched."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts


def noisy(p, g, state, group):
    plain(p, g + torch.randn_like(g), state, group)


def burns(source):
    def move(p, g, state, group):
        source()
        plain(p, g, state, group)

    return move


def shared():
    memory = {}

    def move(p, g, state, group):
        m = memory.setdefault(tuple(p.shape), torch.zeros_like(p))
        m.add_(g.to(m.dtype))
        p.sub_(group["lr"] * m.to(p.dtype))

    return move


def own_generator(seed_kept):
    def move(p, g, state, group):
        generator = group.setdefault("generator", torch.Generator().manual_seed(0))
        plain(p, g + torch.randn(g.shape, generator=generator, dtype=torch.float64).to(g), state, group)

    return move


@pytest.mark.parametrize("check", ["deterministic", "rng_untouched"])
def test_a_sound_optimizer(check) -> None:
    assert set(verdicts(optimizer_of(normalized), check).values()) == {""}
    assert set(verdicts(optimizer_of(noisy), check, claims={"stochastic": True}).values()) == {""}


@pytest.mark.parametrize("move", [noisy, shared()])
def test_two_runs_that_differ(move) -> None:
    assert "in step 1 of two equal runs, tensor 0 (4x3) is" in verdicts(optimizer_of(move), "deterministic")["float32"]


@pytest.mark.parametrize(
    ("source", "words"), [(lambda: torch.rand(1), "torch's"), (np.random.rand, "NumPy's"), (random.random, "Python's")]
)
def test_a_global_generator_that_is_used(source, words) -> None:
    said = verdicts(optimizer_of(burns(source)), "rng_untouched")
    assert f"changed the state of {words} global random generator" in said[""]


def test_random_numbers_that_do_not_survive_a_checkpoint() -> None:
    class Forgets(optimizer_of(plain)):
        def step(self, closure=None):
            self.generator = getattr(self, "generator", None) or torch.Generator().manual_seed(0)
            noise = torch.rand(1, generator=self.generator).item()
            for p in self.param_groups[0]["params"]:
                p.grad = p.grad * (1 + noise)
            return super().step(closure)

    assert verdicts(Forgets, "deterministic")["float32"] == ""
    assert "in step 6, resumed after step 5" in verdicts(Forgets, "rng_untouched", claims={"stochastic": True})[""]
