"""zero_gradients and gradient_magnitudes."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, verdicts


def divided(p, g, state, group):
    p.sub_(group["lr"] * g / g.norm())


def drifting(p, g, state, group):
    p.mul_(0.999).sub_(group["lr"] * g)


def entrywise(p, g, state, group):
    p.sub_(group["lr"] * torch.where(g.abs().sum() > 0, g / g.abs(), g))


def fourth(p, g, state, group):
    v = state.setdefault("v", torch.zeros_like(p))
    v.add_(g.square().square())
    p.sub_(group["lr"] * g / (v.sqrt().sqrt() + 1e-8))


def test_a_sound_optimizer() -> None:
    assert verdicts(optimizer_of(normalized), "zero_gradients") == {"float32": "", "float64": ""}
    said = verdicts(optimizer_of(normalized), "gradient_magnitudes")
    assert said == dict.fromkeys(("1e-30", "1e-12", "1e3", "1e6"), "")


def averaged(p, g, state, group):
    z = state.setdefault("z", p.clone())
    z.sub_(group["lr"] * g)
    p.mul_(1 - 1 / 3).add_(z, alpha=1 / 3)


def test_an_average_of_equal_numbers_may_round() -> None:
    assert verdicts(optimizer_of(averaged), "zero_gradients") == {"float32": "", "float64": ""}
    values = torch.nn.Parameter(torch.linspace(0.1, 2, 100))
    optimizer = optimizer_of(averaged)([values])
    values.grad = torch.zeros_like(values)
    optimizer.step()
    assert not torch.equal(values.detach(), torch.linspace(0.1, 2, 100))  # as it does


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (divided, "after 1 zero gradient, tensor 0 (4x3) has 12 entries that are not finite"),
        (drifting, "after 1 zero gradient, tensor 0 (4x3) is"),
        (entrywise, "after 3 gradients whose first entry is zero, tensor 0 (4x3) has 1 entry"),
    ],
)
def test_zero_gradients_that_break_something(move, words) -> None:
    assert words in verdicts(optimizer_of(move), "zero_gradients")["float32"]


def test_a_claimed_drift_is_no_failure() -> None:
    claims = {"moves_on_zero_grad": True}
    assert verdicts(optimizer_of(drifting), "zero_gradients", claims=claims)["float64"] == ""


def test_a_state_that_overflows_is_found_at_its_scale_only() -> None:
    class Overflows(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                state["power"] = state.get("power", 0) + p.grad.abs().pow(8)
            return super().step(closure)

    said = verdicts(Overflows, "gradient_magnitudes")
    assert "in the state of tensor 0, state tensor" in said.pop("1e6")
    assert set(said.values()) == {""}


def test_a_norm_that_underflows() -> None:
    said = verdicts(optimizer_of(divided), "gradient_magnitudes")
    assert "after 1 gradient of scale 1e-30, tensor 0" in said["1e-30"]
    assert said["1e3"] == ""


def test_scales_that_it_is_made_for() -> None:
    assert set(verdicts(optimizer_of(divided), "gradient_magnitudes", claims={"grad_scales": [1e3, 1e6]})) == {
        "1e3",
        "1e6",
    }
