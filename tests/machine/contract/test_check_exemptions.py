"""The check of exemptions: a claim that nothing needs is out of date."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, cases, sentence, verdicts


class OneCounter(Sound):
    def step(self, closure=None):
        self.t = getattr(self, "t", 0) + 1
        return super().step(closure)

    def update(self, p, g, group, state):
        super().update(p, g / self.t, group, state)


def test_a_claim_that_a_check_needs_is_kept():
    assert verdicts(OneCounter, "claim_is_needed", claims={"global_step": True}) == {"global_step": ""}


@pytest.mark.parametrize("claim", ["global_step", "couples_params", "lr_nonlinear", "moves_at_lr0"])
def test_a_claim_that_no_check_needs_is_out_of_date(claim):
    found = sentence(Sound, "claim_is_needed", claims={claim: True})
    assert found.startswith(f"the claim {claim!r} is out of date: every check that it concerns passes without it (")


class RoundsByChance(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        if p.dtype == torch.bfloat16:
            p.mul_(1 + 0.05 * torch.rand(()).bfloat16())


def test_randomness_in_low_precision_alone_needs_its_claim():
    assert [sentence(RoundsByChance, check) != "" for check in ("resume_bf16", "mixed_dtypes")] == [True, True]
    claims = {"stochastic": True}
    assert [sentence(RoundsByChance, check, claims=claims) for check in ("resume_bf16", "mixed_dtypes")] == ["", ""]
    assert sentence(RoundsByChance, "claim_is_needed", claims=claims) == ""
    assert "out of date" in sentence(Sound, "claim_is_needed", claims=claims)


def test_a_configuration_may_need_it():
    class Momentum(OneCounter):
        def __init__(self, params, lr=0.1, *, counting=False):
            super().__init__(params, lr)
            self.counting = counting

        def update(self, p, g, group, state):
            (super().update if self.counting else super(OneCounter, self).update)(p, g, group, state)

    claims = {"global_step": True}
    assert sentence(Momentum, "claim_is_needed", claims=claims) != ""
    assert sentence(Momentum, "claim_is_needed", claims=claims, counting={"counting": True}) == ""


def test_claims_that_exempt_from_nothing_are_left_alone():
    claims = {"needs_closure": False, "weight_decay": "l2", "family": "sgd_like", "global_step": False}
    assert cases(Sound, "claim_is_needed", claims=claims) == []


def test_the_refusal_of_float64_needs_its_claim():
    class SingleOnly(Sound):
        def update(self, p, g, group, state):
            if p.dtype == torch.float64:
                raise RuntimeError("expected scalar type Float but found Double")
            super().update(p, g, group, state)

    claims = {"no_fp64": True}
    assert verdicts(SingleOnly, "claim_is_needed", claims=claims) == {"no_fp64": ""}
    assert "out of date" in sentence(Sound, "claim_is_needed", claims=claims)
