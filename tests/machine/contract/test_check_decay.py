"""weight_decay: each mode, on every shape, under maximize, and only where it is asked for."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, verdicts

BETAS = (0.9, 0.99)


def undecayed(group):
    return {**group, "weight_decay": 0.0}


def lr_free(p, g, state, group):
    p.mul_(1 - group["weight_decay"])
    normalized(p, g, state, undecayed(group))


def after(p, g, state, group):
    normalized(p, g, state, undecayed(group))
    p.mul_(1 - group["lr"] * group["weight_decay"])


def coupled(p, g, state, group):
    normalized(p, g.add(p, alpha=group["weight_decay"]), state, undecayed(group))


def exponential(p, g, state, group):
    p.mul_(torch.tensor(-group["lr"] * group["weight_decay"]).exp())
    normalized(p, g, state, undecayed(group))


def matrices_only(p, g, state, group):
    normalized(p, g, state, group if p.ndim == 2 else undecayed(group))


def grows_under_maximize(p, g, state, group):
    sign = -1 if group["maximize"] else 1
    normalized(p, g, state, {**group, "weight_decay": sign * group["weight_decay"]})


def rounded(p, g, state, group):
    p.mul_(1 - (torch.tensor(group["lr"]) * group["weight_decay"]).item())
    normalized(p, g, state, undecayed(group))


def but_by_one(move):
    """Takes a decay of one for none."""
    return lambda p, g, state, group: move(p, g, state, undecayed(group) if group["weight_decay"] == 1 else group)


def test_the_sound_ones_are_what_they_claim() -> None:
    for move, mode in [
        (normalized, "decoupled"),
        (rounded, "decoupled"),
        (lr_free, "decoupled_lr_free"),
        (after, "decoupled_after"),
        (coupled, "l2"),
        (exponential, "other"),
    ]:
        said = verdicts(optimizer_of(move, betas=BETAS), "weight_decay", claims={"weight_decay": mode})
        assert said == {"float32": "", "float64": ""}, mode
    none = optimizer_of(lambda p, g, state, group: normalized(p, g, state, undecayed(group)), betas=BETAS)
    assert set(verdicts(none, "weight_decay", claims={"weight_decay": "none"}).values()) == {""}


@pytest.mark.parametrize(
    ("move", "mode", "words"),
    [
        (lr_free, "decoupled", "p0 (1 - 0.01 * 25)^1 is due"),
        (normalized, "decoupled_lr_free", "along zero gradients"),
        (after, "decoupled", "p0 (1 - lr wd) + step is due"),
        (normalized, "decoupled_after", "(p0 + step)(1 - lr wd) is due"),
        (coupled, "decoupled", "after step 1 along zero gradients"),
        (exponential, "decoupled", "after step 1 along zero gradients"),
        (matrices_only, "decoupled", "tensor 0 (a scalar)"),
        (grows_under_maximize, "decoupled", "maximize=True"),
        (normalized, "l2", "after step 1"),
        (but_by_one(coupled), "l2", "with weight_decay=1, maximize=False, after step 1"),
        (but_by_one(normalized), "decoupled", "where p0 (1 - 0.01 * 1)^1 is due"),
        (normalized, "none", "after 10 steps with weight_decay=0.1 and with 0"),
        (matrices_only, "other", "no effect on tensor 0 ()"),
    ],
)
def test_another_decay_than_the_declared_one(move, mode, words) -> None:
    said = verdicts(optimizer_of(move, betas=BETAS), "weight_decay", claims={"weight_decay": mode})
    assert words in said["float32"]
    assert words in said["float64"]


class FirstGroupOnly(optimizer_of(normalized)):
    """Takes the decay of its first group for all."""

    def step(self, closure=None):
        own = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = own[0]
        loss = super().step(closure)
        for group, decay in zip(self.param_groups, own, strict=True):
            group["weight_decay"] = decay
        return loss


def test_decay_in_a_group_that_has_none() -> None:
    claims = {"weight_decay": "decoupled"}
    assert "in a group with weight_decay=0" in verdicts(FirstGroupOnly, "weight_decay", claims=claims)["float64"]
    fixed = {**claims, "not_per_group": ["weight_decay"]}
    assert verdicts(FirstGroupOnly, "weight_decay", claims=fixed)["float64"] == ""


def test_it_is_not_collected_without_the_claim() -> None:
    assert verdicts(optimizer_of(normalized), "weight_decay") == {}


def test_torch_itself() -> None:
    for kind, mode in ((torch.optim.AdamW, "decoupled"), (torch.optim.Adam, "l2"), (torch.optim.SGD, "l2")):
        assert set(verdicts(kind, "weight_decay", claims={"weight_decay": mode}).values()) == {""}


@pytest.mark.parametrize("move", [normalized, lr_free, after, coupled])
def test_a_decay_of_any_known_form_needs_no_claim(move) -> None:
    assert verdicts(optimizer_of(move, betas=BETAS), "weight_decay_form") == {"": ""}


@pytest.mark.parametrize("move", [matrices_only, exponential])
def test_a_decay_of_no_known_form_needs_one(move) -> None:
    kind = optimizer_of(move, betas=BETAS)
    sentence = verdicts(kind, "weight_decay_form")[""]
    assert sentence.startswith("weight decay has no form that is known; if it were decoupled: ")
    assert sentence.endswith('claim weight_decay = "other"')
    assert verdicts(kind, "weight_decay_form", claims={"weight_decay": "other"}) == {}
