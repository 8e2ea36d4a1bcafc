"""Sound optimizers of kinds met in the wild, each of which some check once took for broken."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, sentence, verdicts


class NotForThis(Exception):
    """A package's own exception."""


class Refuses(Sound):
    """Says so in its own words."""

    def update(self, p, g, group, state):
        if p.is_complex() or g.is_sparse:
            raise NotForThis("dense and real parameters only")
        super().update(p, g, group, state)


class Counts(Sound):
    """Keeps a counter among the defaults, and takes whatever it is given."""

    def __init__(self, params, lr=0.1, **kwargs):
        super().__init__(params, lr, **{name: kwargs[name] for name in ("momentum", "weight_decay") if name in kwargs})
        self.defaults["counter"] = 0
        for group in self.param_groups:
            group["counter"] = 0


def two_groups(params, lr=0.1):
    """A factory that makes groups of its own, with their own learning rates."""
    params = list(params)
    if any(isinstance(one, dict) for one in params):
        raise TypeError("expected parameters, not groups")
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": lr / 2}]
    made = Sound([group for group in groups if group["params"]], lr)
    made.defaults.pop("lr")
    return made


class Curved(Sound):
    """Divides by the curvature along the gradient, which it differentiates."""

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    with torch.enable_grad():
                        (curved,) = torch.autograd.grad(p.grad.sum(), p)
                    with torch.no_grad():
                        p.sub_(p.grad / (1 + curved.abs()), alpha=group["lr"])
        return loss


class Draws(Sound):
    def update(self, p, g, group, state):
        super().update(p, g + 0.1 * torch.randn_like(g), group, state)


class Rectified(Sound):
    """Only collects for five steps."""

    def update(self, p, g, group, state):
        before = p.clone()
        super().update(p, g, group, state)
        if state["t"] <= 5:
            p.copy_(before)


class GuardedByNothing(torch.optim.Adam):
    """Its eps shows where gradients are as small."""

    def __init__(self, params, lr=0.1, eps=1e-30):
        super().__init__(params, lr, eps=eps)


class AsksForBetas(torch.optim.Adam):
    def __setstate__(self, state):
        super().__setstate__(state)
        if any("betas" not in group for group in self.param_groups):
            raise ValueError("Beta not found in group.")


@pytest.mark.parametrize(
    ("optimizer", "check", "claims"),
    [
        (Refuses, "complex", {}),
        (Refuses, "complex", {"no_complex": True}),
        (Refuses, "sparse", {}),
        (two_groups, "scheduler", {"one_group": True}),
        (two_groups, "resume", {"one_group": True}),
        (Curved, "no_leak", {}),
        (Curved, "bf16", {}),
        (Draws, "resume_in_float64", {"stochastic": True}),
        (Rectified, "moves_and_descends", {}),
        (GuardedByNothing, "hyperparameters_are_live", {"dead_ok": []}),
        (AsksForBetas, "old_checkpoint", {}),
    ],
)
def test_it_is_sound(optimizer, check, claims) -> None:
    assert sentence(optimizer, check, claims=claims) == ""


def test_a_counter_is_no_option_but_what_is_taken_is() -> None:
    assert set(verdicts(Counts, "hyperparameters_are_live")) == {"lr", "momentum", "weight_decay"}
