"""Checks of the learning rate: each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, cases, sentence, verdicts

CHECKS = ("lr_read_each_step", "lr_proportional", "scheduler", "lr_zero", "bad_values_rejected", "error_names_argument")
SCHEDULES = ["LambdaLR", "StepLR", "CosineAnnealingLR", "OneCycleLR", "OneCycleLR_momentum"]


class OwnRate(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "lr": self.defaults["lr"]}, state)


class OwnMomentum(Sound):
    def __init__(self, params, lr=0.1, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.momentum = momentum

    def update(self, p, g, group, state):
        super().update(p, g, {**group, "momentum": self.momentum}, state)


class Anneals(Sound):
    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            group["lr"] *= 0.99
        return loss


class Normalizes(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        state["share"] = g.norm() / group["lr"]
        p.mul_(0 * state["share"] + 1)


class DecaysAlways(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        p.mul_(0.999)


class AverageStep(Sound):
    def update(self, p, g, group, state):
        state["lr"] = 0.5 * state.get("lr", group["lr"]) + 0.5 * group["lr"]
        super().update(p, g, {**group, "lr": state["lr"]}, state)


class ClipsRate(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "lr": min(group["lr"], 0.15)}, state)


class FloorsRate(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "lr": max(group["lr"], 1e-3) if group["lr"] else 0.0}, state)


class TakesAnything(Sound):
    def __init__(self, params, lr=0.1):
        params = list(params) or [torch.zeros(1)]
        super().__init__(params, abs(lr))
        self.param_groups[0]["lr"] = lr


class Asserts(Sound):
    def __init__(self, params, lr=0.1, momentum=0.9):
        assert lr >= 0
        assert 0 <= momentum < 1, "momentum out of range"
        super().__init__(params, lr, momentum)


class RefusesZero(Sound):
    def __init__(self, params, lr=0.1):
        if lr <= 0:
            raise ValueError("Invalid learning rate")
        super().__init__(params, lr)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW, RefusesZero])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("lr_read_each_step", OwnRate, "of the motion in step 9 at lr / 10, against a tenth of that at lr, tensor 0"),
        ("lr_read_each_step", DecaysAlways, "of the motion in step 9 at lr / 10"),
        ("lr_read_each_step", AverageStep, "of the motion in step 9 at lr / 10"),
        ("lr_proportional", ClipsRate, "of the motion in the first step at lr=1, times 0.1, against that at lr=0.1"),
        ("lr_proportional", FloorsRate, "of the motion in the first step at lr=0.0001, times 1000, against that at"),
        ("scheduler", Anneals, "after step 1 under LambdaLR, param_groups[0]['lr'] is [0.099]; expected [0.1]"),
        (
            "lr_zero",
            Normalizes,
            "after 3 steps at a learning rate of 0, tensor 0 (4x3) has 12 entries that are not finite",
        ),
        ("lr_zero", DecaysAlways, "after 3 steps at a learning rate of 0, tensor 0 (4x3) is"),
        ("lr_zero", AverageStep, "after step 9, for which the learning rate was set to 0, tensor 0 (4x3) is"),
        ("bad_values_rejected", TakesAnything, "the constructor takes lr=-1.0; expected an error"),
        ("error_names_argument", Asserts, "the error for lr=-1.0 does not name it: AssertionError: "),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


def test_there_is_a_verdict_for_each_scheduler():
    assert list(verdicts(Sound, "scheduler")) == SCHEDULES
    assert list(verdicts(torch.optim.AdamW, "scheduler")) == SCHEDULES
    assert list(verdicts(torch.optim.Adadelta, "scheduler")) == SCHEDULES[:-1]


def test_betas_that_are_no_numbers_are_not_steered():
    class Nested(Sound):
        def __init__(self, params, lr=0.1, betas=((0.5, 0.9), 0.9), momentum=None):
            (low, _), _ = betas
            super().__init__(params, lr, momentum or low)
            self.defaults.update(betas=betas, momentum=momentum or low)

    assert verdicts(Nested, "scheduler") == dict.fromkeys(SCHEDULES[:-1], "")
    assert "betas" not in verdicts(Nested, "error_names_argument")


def test_a_rate_may_stand_in_the_groups_alone():
    class OfGroups(Sound):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr)
            self.defaults = {"foreach": None}

    assert verdicts(OfGroups, "scheduler") == dict.fromkeys(SCHEDULES[:-1], "")


class MomentumInState(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "momentum": state.setdefault("own", group["momentum"])}, state)


def test_a_rate_read_once_is_found_by_another_check():
    """The twin, steered by hand, ignores the value as well."""
    assert set(verdicts(OwnRate, "scheduler").values()) == {""}


@pytest.mark.parametrize("optimizer", [OwnMomentum, MomentumInState])
def test_a_momentum_read_once_is_found(optimizer):
    found = verdicts(optimizer, "scheduler")
    assert "writes 'momentum' into the group, are to the bit those where it stays" in found.pop("OneCycleLR_momentum")
    assert set(found.values()) == {""}
    assert set(verdicts(optimizer, "scheduler", claims={"dead_ok": ["momentum"]}).values()) == {""}


def test_there_is_a_verdict_for_each_bad_value():
    assert all(verdicts(TakesAnything, "bad_values_rejected").values())
    assert list(verdicts(TakesAnything, "bad_values_rejected")) == ["lr", "params"]
    assert [name for name, text in verdicts(Asserts, "error_names_argument").items() if text] == ["lr"]


def test_what_may_move_at_a_learning_rate_of_zero_must_not_break():
    assert sentence(DecaysAlways, "lr_zero", claims={"moves_at_lr0": True}) == ""
    assert "not finite" in sentence(Normalizes, "lr_zero", claims={"moves_at_lr0": True})


@pytest.mark.parametrize("check", ["lr_read_each_step", "scheduler", "lr_zero"])
def test_a_learning_rate_without_effect_is_not_asked(check):
    assert cases(Sound, check, claims={"lr_unused": True}) == []
