"""Checks of what is claimed of symmetry: each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from verdicts import faults, verdicts


class Plain(torch.optim.Optimizer):
    """Gradient descent; `step_of` makes a step of a gradient, its parameter and the number of the step."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})
        self.t = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        for group in self.param_groups:
            everything = [p.grad for p in group["params"]]
            for p in group["params"]:
                p.sub_(group["lr"] * self.step_of(p.grad, p, everything))

    def step_of(self, g, p, everything):
        return g


def variant(step_of):
    return type("Variant", (Plain,), {"step_of": step_of})


normalized = variant(lambda self, g, p, everything: g / g.norm())
centered = variant(lambda self, g, p, everything: g - g.mean() if g.ndim > 1 else g)
along_the_first = variant(lambda self, g, p, everything: g * (1 + torch.arange(len(g)).view(-1, *[1] * (g.ndim - 1))))
clipped = variant(lambda self, g, p, everything: g / max(1, torch.cat([one.flatten() for one in everything]).norm()))
squared = variant(lambda self, g, p, everything: g * g.abs())
counting = variant(lambda self, g, p, everything: g * (g > 0).to(g.dtype).mean())
signs = variant(lambda self, g, p, everything: g.sign())
warming = variant(lambda self, g, p, everything: g * min(1, self.t / 10))
tiring = variant(lambda self, g, p, everything: g * (1 if self.t < 300 else 0.5))


@pytest.mark.parametrize(
    ("optimizer", "claims", "hyperparameters"),
    [
        (Plain, {"elementwise": True, "scale": "linear", "const_step": 1}, {}),
        (signs, {"elementwise": True, "scale": "invariant", "const_step": 1.0}, {}),
        (normalized, {"scale": "invariant"}, {}),
        (torch.optim.AdamW, {"elementwise": True, "scale": "invariant", "const_step": 1}, {}),
        (torch.optim.RMSprop, {"elementwise": True, "scale": "invariant"}, {"centered": True}),
        (torch.optim.Adadelta, {"elementwise": True, "scale": "invariant"}, {}),
        (torch.optim.Rprop, {"elementwise": True, "scale": "invariant"}, {}),
        (torch.optim.SGD, {"scale": "linear", "const_step": [1, 1.9, 10]}, {"momentum": 0.9, "maximize": True}),
    ],
)
def test_what_is_truly_claimed_passes(optimizer, claims, hyperparameters):
    found = verdicts(optimizer, module="checks.claimed", claims=claims, **hyperparameters)
    assert {name: said for name, said in found.items() if said} == {}
    assert len(found) == 2 * len(claims)


@pytest.mark.parametrize(
    ("optimizer", "claims", "fault"),
    [
        (
            normalized,
            {"elementwise": True},
            "with other entries' gradients 1000 times as large and in turn reversed, tensor 0",
        ),
        (counting, {"elementwise": True}, "with other entries' gradients 1000 times as large and in turn reversed"),
        (
            centered,
            {"elementwise": True},
            "with other entries' gradients 1000 times as large and in turn reversed, tensor 0",
        ),
        (
            clipped,
            {"elementwise": True},
            "with other entries' gradients 1000 times as large and in turn reversed, tensor 0",
        ),
        (along_the_first, {"elementwise": True}, "permuted and reshaped, tensor 0"),
        (squared, {"scale": "linear"}, "with gradients x 8, claimed 'linear', of the path, tensor 0"),
        (squared, {"scale": "invariant"}, "with gradients x 8, claimed 'invariant', of the path, tensor 0"),
        (signs, {"scale": "linear"}, "claimed 'linear'"),
        (clipped, {"scale": "linear"}, "claimed 'linear'"),
        (
            warming,
            {"const_step": 1},
            "step 1 along a constant gradient of 1 moved 12 entries of tensor 0 (4, 3) by 0.001",
        ),
        (tiring, {"const_step": 1, "scale": "linear"}, "step 400 along a constant gradient of 1 moved"),
        (Plain, {"const_step": 1}, "step 1 along a constant gradient of 4 moved"),
        (Plain, {"const_step": [1, 2, 1]}, "step 2 along a constant gradient of 1 moved"),
    ],
)
def test_a_false_claim_is_found(optimizer, claims, fault):
    found = faults(optimizer, module="checks.claimed", claims=claims)
    assert fault in " ".join(found.values())
