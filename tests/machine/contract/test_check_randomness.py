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


COUNTED = {"steps": 0}


class Corrects(optimizer_of(plain)):
    """Corrects for its beginning by a number of steps that stands in the class, where all optimizers count."""

    steps = 0

    def count(self):
        Corrects.steps += 1
        return Corrects.steps

    def step(self, closure=None):
        t = self.count()
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad * (1 - 0.5**t)
        return super().step(closure)


class CorrectsByModule(Corrects):
    def count(self):
        COUNTED["steps"] += 1
        return COUNTED["steps"]


class Begins(optimizer_of(plain)):
    """Takes over at construction what others have counted since."""

    made = 0

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.begin = Begins.made

    def step(self, closure=None):
        Begins.made += 1
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad * (1 + self.begin)
        return super().step(closure)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (Corrects, "in step 1 of a run and an equal run that found 0 in Corrects.steps, which steps change"),
        (CorrectsByModule, "that found 0 in test_check_randomness.COUNTED['steps'], which steps change"),
        (Begins, "in step 1 of a run and an equal run that followed it, tensor 0"),
    ],
)
def test_state_that_all_optimizers_share(optimizer, words) -> None:
    Corrects.steps = COUNTED["steps"] = 1000  # so much that the correction rounds to one
    assert words in verdicts(optimizer, "deterministic")["float32"]
    assert Corrects.steps >= 1000


class Logs(optimizer_of(plain)):
    """Counts in its class, and does nothing with it."""

    steps = 0

    def step(self, closure=None):
        Logs.steps += 1
        return super().step(closure)


def test_a_number_in_the_class_that_has_no_effect_is_its_own_business() -> None:
    assert set(verdicts(Logs, "deterministic").values()) == {""}


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
