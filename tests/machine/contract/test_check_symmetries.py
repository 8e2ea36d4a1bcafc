"""maximize, sign_symmetry and translation."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts


@pytest.mark.parametrize("check", ["maximize", "sign_symmetry", "translation"])
def test_a_sound_optimizer(check) -> None:
    said = verdicts(optimizer_of(normalized), check)
    assert said
    assert set(said.values()) == {""}


def half_negated(p, g, state, group):
    """The momentum sees the gradient as it was."""
    m = state.setdefault("m", torch.zeros_like(p))
    m.mul_(0.9).add_(-g if group["maximize"] else g)
    p.sub_(group["lr"] * (g + m))


def biased(p, g, state, group):
    plain(p, g + 1e-3, state, group)


def clamped(p, g, state, group):
    plain(p, g.clamp(min=-0.5), state, group)


def of_parameters(p, g, state, group):
    plain(p, g * (1 + p.norm()), state, group)


def shrinks(p, g, state, group):
    p.mul_(0.9999)
    plain(p, g, state, group)


@pytest.mark.parametrize(
    ("optimizer", "check", "words"),
    [
        (optimizer_of(half_negated), "maximize", "in step 1, with maximize=True instead of negated gradients"),
        (optimizer_of(biased), "sign_symmetry", "after 1 step of the mirrored problem, mirrored back"),
        (optimizer_of(clamped), "sign_symmetry", "tensor 0 (4x3)"),
        (optimizer_of(of_parameters), "translation", "1 step from p + 10, of the way from there"),
        (optimizer_of(shrinks), "translation", "1 step from p + 10"),
    ],
)
def test_a_symmetry_that_is_broken(optimizer, check, words) -> None:
    assert words in list(verdicts(optimizer, check).values())[-1]


@pytest.mark.parametrize(
    ("move", "check", "claim"),
    [(clamped, "sign_symmetry", "not_odd"), (of_parameters, "translation", "uses_param_values")],
)
def test_a_claim_takes_the_check_away(move, check, claim) -> None:
    assert verdicts(optimizer_of(move), check, claims={claim: True}) == {}


def test_maximize_needs_such_an_option() -> None:
    assert verdicts(torch.optim.LBFGS, "maximize", claims={"needs_closure": True, "one_group": True}) == {}
