"""Checks of closures: each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, cases, sentence


class Twice(Sound):
    def step(self, closure=None):
        if closure is not None:
            with torch.enable_grad():
                closure()
        return super().step(closure)


class Never(Sound):
    def step(self, closure=None):
        return super().step()


class WithoutGradients(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        loss = closure() if closure else None
        super().step()
        return loss


class Silent(Sound):
    def step(self, closure=None):
        super().step(closure)


class Other(Sound):
    def step(self, closure=None):
        loss = super().step(closure)
        return None if loss is None else 2 * loss


class Talkative(Sound):
    def step(self, closure=None):
        return super().step(closure) or 0.0


class LeavesThemOff(Sound):
    def step(self, closure=None):
        loss = super().step(closure)
        torch.set_grad_enabled(False)
        return loss


class Late(Sound):
    def step(self, closure=None):
        super().step()
        if closure is None:
            return None
        with torch.enable_grad():
            return closure()


CHECKS = ("closure", "closure_equals_plain")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("closure", Twice, "step(closure) ran the closure 2 times; expected once"),
        ("closure", Never, "step(closure) never ran the closure"),
        ("closure", WithoutGradients, "step(closure) ran the closure with gradients disabled"),
        ("closure", Silent, "step(closure) returned None; expected the closure's value, "),
        ("closure", Other, "; expected the closure's value, "),
        ("closure", Talkative, "step() without a closure returned 0.0; expected None"),
        ("closure", LeavesThemOff, "step(closure) was called with grad mode True and left it at False"),
        ("closure_equals_plain", Late, "after step 1 with a closure, against backward and step(), tensor 0"),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


def test_what_may_run_its_closure_often_is_asked_for_the_rest():
    claims = {"multi_closure": True}
    assert sentence(Twice, "closure", claims=claims) == ""
    assert "disabled" in sentence(WithoutGradients, "closure", claims=claims)
    assert cases(Twice, "closure_equals_plain", claims=claims) == []


def test_what_needs_a_closure_has_no_plain_step():
    assert cases(torch.optim.LBFGS, "closure_equals_plain") == []
    assert sentence(torch.optim.LBFGS, "closure", claims={"multi_closure": True}) == ""


class WithoutArgument(Sound):
    def step(self):
        return super().step()


class Refuses(Sound):
    def step(self, closure=None):
        if closure is not None:
            raise NotImplementedError("closures are not supported")
        return super().step()


def test_a_step_without_the_argument_is_one_fault_and_what_can_be_checked_without_is():
    expected = "step() takes no closure; expected step(closure=None), as training loops call it"
    assert sentence(WithoutArgument, "closure") == expected
    assert {sentence(WithoutArgument, check) for check in ("closure_equals_plain", "no_leak")} == {""}


def test_a_closure_may_be_refused_in_so_many_words():
    assert {sentence(Refuses, check) for check in (*CHECKS, "no_leak")} == {""}
