"""The check of gradient scaling: each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, cases, sentence, verdicts


class Careless(Sound):
    """Says that it handles the scale itself, and does not look at `found_inf`."""

    _step_supports_amp_scaling = True

    def update(self, p, g, group, state):
        super().update(p, (g / self.grad_scale).nan_to_num(posinf=0.0), group, state)


class CountsSkipped(Sound):
    _step_supports_amp_scaling = True

    def update(self, p, g, group, state):
        if self.found_inf:
            state["t"] = state.get("t", 0) + 1
            state["count"] = torch.tensor(float(state["t"]))
        else:
            super().update(p, g / self.grad_scale, group, state)
            state["count"] = torch.tensor(float(state["t"]))


class Handles(Sound):
    _step_supports_amp_scaling = True

    def update(self, p, g, group, state):
        if not self.found_inf:
            super().update(p, g / self.grad_scale, group, state)


@pytest.mark.parametrize("optimizer", [Sound, Handles, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer):
    twin = getattr(optimizer, "_step_supports_amp_scaling", False)
    if twin:
        optimizer = type("Unscaled", (optimizer,), {"grad_scale": torch.ones(()), "found_inf": torch.zeros(())})
    assert sentence(optimizer, "gradient_scaler") == ""


@pytest.mark.parametrize(
    ("optimizer", "fault"),
    [
        (Careless, "after turn 1 under a GradScaler, which was to be skipped, against an optimizer that never saw the"),
        (CountsSkipped, "of the state, after turn 4, which an infinite gradient made the scaler skip, tensor 0"),
    ],
)
def test_a_broken_one_fails_with_the_fault(optimizer, fault):
    own = {"grad_scale": torch.ones(()), "found_inf": torch.zeros(())}
    assert fault in sentence(type("Mine", (optimizer,), own), "gradient_scaler")


def test_fused_is_asked_where_it_is_offered():
    assert list(verdicts(torch.optim.AdamW, "gradient_scaler")) == ["as_configured", "fused"]
    assert [case.part for case in cases(torch.optim.Adamax, "gradient_scaler")] == ["as_configured"]
    assert cases(torch.optim.LBFGS, "gradient_scaler") == []
