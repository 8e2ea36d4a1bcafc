"""step_bounded and eps_damps."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts


def signs(p, g, state, group):
    plain(p, g.sign(), state, group)


def late_norm(p, g, state, group):
    """Divides by the scale of the step before."""
    scale = state.get("scale", g.abs().max())
    plain(p, g / scale, state, group)
    state["scale"] = g.abs().max()


def subtracts(p, g, state, group):
    normalized(p, g, state, {**group, "eps": -group["eps"] / 100})


def multiplies(p, g, state, group):
    normalized(p, g * (1 + group["eps"]), state, {**group, "eps": 1e-8})


def test_a_bounded_step() -> None:
    assert set(verdicts(optimizer_of(signs), "step_bounded", claims={"step_bound": 1}).values()) == {""}
    assert set(verdicts(torch.optim.Adam, "step_bounded", claims={"step_bound": 3.17}).values()) == {""}
    assert verdicts(optimizer_of(signs), "step_bounded") == {}


@pytest.mark.parametrize(
    ("move", "bound", "words"),
    [
        (signs, 0.5, "step 1 moved an entry of tensor 0 (4, 3) by 0.01; step_bound * lr = 0.005 is declared"),
        (late_norm, 5, "step 6, a spike of 1000, moved an entry of tensor 0 (4, 3) by"),
    ],
)
def test_a_step_beyond_its_bound(move, bound, words) -> None:
    assert words in verdicts(optimizer_of(move), "step_bounded", claims={"step_bound": bound})["float64"]


def test_eps_damps() -> None:
    assert verdicts(optimizer_of(normalized), "eps_damps") == {"": ""}
    assert verdicts(optimizer_of(plain), "eps_damps") == {}
    assert verdicts(optimizer_of(normalized), "eps_damps", claims={"eps_other": True}) == {}


@pytest.mark.parametrize("move", [subtracts, multiplies])
def test_an_eps_that_enlarges_the_step(move) -> None:
    made = optimizer_of(move, betas=(0.9, 0.99))
    assert "with eps=0.3 the first step of tensor 0 (4, 3) is" in verdicts(made, "eps_damps")[""]
