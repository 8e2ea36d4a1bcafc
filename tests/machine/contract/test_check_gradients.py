"""Checks of gradients: each fault is found, and named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from life_cycle import Sound, sentence

CHECKS = (
    "all_gradients_none",
    "one_gradient_none",
    "late_gradient",
    "gradient_untouched",
    "gradient_not_retained",
    "gradient_accumulation",
    "zero_grad",
)


class NormOfAll(Sound):
    def step(self, closure=None):
        norm = torch.stack([p.grad.norm() for g in self.param_groups for p in g["params"] if p.grad is not None])
        return super().step(closure) if norm.isfinite().all() else None


class MakesUp(Sound):
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        return super().step(closure)


class Freezes(Sound):
    def step(self, closure=None):
        self.frozen = getattr(self, "frozen", False) or self.param_groups[0]["params"][0].grad is None
        return None if self.frozen else super().step(closure)


class DecaysFrozen(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.mul_(0.99)
        return super().step(closure)


class DecaysWhatHasHistory(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        for p, state in self.state.items():
            p.sub_(state["momentum"], alpha=0.01)
        return super().step(closure)


class StopsAtTheFirst(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            if p.grad is None:
                return
            self.update(p, p.grad, self.param_groups[0], self.state[p])


class CountsForAll(Sound):
    def step(self, closure=None):
        self.t = getattr(self, "t", 0) + 1
        return super().step(closure)

    def update(self, p, g, group, state):
        super().update(p, g / self.t, group, state)


class IgnoresLate(Sound):
    def step(self, closure=None):
        if not hasattr(self, "first"):
            self.first = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        return super().step(closure)

    def update(self, p, g, group, state):
        if any(p is one for one in self.first):
            super().update(p, g, group, state)


class DecaysTheGradient(Sound):
    def update(self, p, g, group, state):
        g.add_(p, alpha=group["weight_decay"])  # the line
        p.sub_(g, alpha=group["lr"])


class NegatesThroughData(Sound):
    def update(self, p, g, group, state):
        p.grad.data = -g


class ReplacesTheGradient(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        p.grad = p.grad.clone()


class TakesTheGradientAway(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        p.grad = None


class KeepsTheGradient(Sound):
    def update(self, p, g, group, state):
        state["momentum"] = state["momentum"] * 0.9 + g if state else g
        p.sub_(state["momentum"], alpha=group["lr"])


class StepsInBackward(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        for p in self.param_groups[0]["params"]:
            p.register_post_accumulate_grad_hook(self.descend)

    @staticmethod
    def descend(p):
        p.data.sub_(p.grad, alpha=0.1)


class AlwaysZeros(Sound):
    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none=False)


class AlwaysNone(Sound):
    def zero_grad(self, set_to_none=True):
        super().zero_grad()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("all_gradients_none", NormOfAll, "RuntimeError: stack expects a non-empty TensorList"),
        ("all_gradients_none", DecaysFrozen, "after a step in which every gradient is None, tensor 0 (4x3) is"),
        ("all_gradients_none", Freezes, "tensor 0 does not move in six ordinary ones"),
        ("one_gradient_none", DecaysFrozen, "after 3 steps, all without its gradient, tensor 2 has moved by up to 0."),
        ("one_gradient_none", DecaysWhatHasHistory, "after 3 ordinary steps and 2 without its gradient, tensor 2 has"),
        ("one_gradient_none", StopsAtTheFirst, "against an optimizer without it, tensor 3 (2x3x2x2) is"),
        (
            "late_gradient",
            CountsForAll,
            "with a first gradient at step 4, after step 4 and against a fresh optimizer, tensor 2",
        ),
        ("gradient_untouched", NegatesThroughData, "step 1 with weight_decay=0.0 wrote to p.grad of tensor 0, which"),
        ("gradient_untouched", ReplacesTheGradient, "put another tensor in place of p.grad of tensor 0"),
        ("gradient_untouched", TakesTheGradientAway, "took away the gradient of tensor 0"),
        ("gradient_not_retained", KeepsTheGradient, "after step 2 with gradients in the memory of earlier ones"),
        ("gradient_accumulation", StepsInBackward, "after step 1 on gradients accumulated in two parts, tensor 0"),
        ("zero_grad", AlwaysZeros, "zero_grad() left a gradient on tensor 0; expected None"),
        ("zero_grad", AlwaysNone, "zero_grad(set_to_none=False) put another object in place of the gradient"),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


def test_a_gradient_made_up_is_named():
    class WithoutDecay(MakesUp):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr, weight_decay=0.0)

    assert "a step made up a gradient for tensor 0" in sentence(WithoutDecay, "all_gradients_none")


def test_a_spoilt_gradient_leads_to_the_line():
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# the line" in text)
    assert sentence(DecaysTheGradient, "gradient_untouched").endswith(f"test_check_gradients.py:{line}")


@pytest.mark.parametrize("claims", [{"global_step": True}, {"couples_params": True}])
def test_a_counter_for_all_is_let_off_where_it_is_claimed(claims):
    assert sentence(CountsForAll, "late_gradient", claims=claims) == ""


def test_a_claim_does_not_excuse_a_parameter_that_stands_still():
    found = sentence(IgnoresLate, "late_gradient", claims={"global_step": True})
    assert found == "tensor 2 does not move in 4 steps after its late first gradient"
