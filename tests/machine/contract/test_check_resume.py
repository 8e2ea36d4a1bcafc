"""Checks of resuming: each fault is found, and named."""

from __future__ import annotations

import copy

import pytest
import torch
from life_cycle import Sound, cases, sentence, verdicts

CHECKS = (
    "resume",
    "resume_bf16",
    "load_before_first_step",
    "load_rejects_mismatch",
    "state_dict_is_pure",
    "resume_mid_schedule",
    "resume_after_add_param_group",
    "resume_in_float64",
    "loaded_values_win",
    "old_checkpoint",
)


class OwnCounter(Sound):
    def update(self, p, g, group, state):
        self.t = getattr(self, "t", 0) + 1
        super().update(p, g / self.t**0.5, group, state)


class CountsOnlyAtOnce(Sound):
    """Keeps its momentum where no state_dict looks."""

    def update(self, p, g, group, state):
        hidden = self.__dict__.setdefault("hidden", {})
        super().update(p, g, group, hidden.setdefault(p, {}))


class SinglePrecision(Sound):
    def update(self, p, g, group, state):
        state.setdefault("momentum", torch.zeros_like(p, dtype=torch.float32))
        super().update(p, g, group, state)


class KeepsAnObject(Sound):
    def update(self, p, g, group, state):
        state["note"] = copy
        super().update(p, g, group, state)


class KeepsAProjector(Sound):
    def update(self, p, g, group, state):
        state.setdefault("projector", Projector())
        super().update(p, g, group, state)


class Projector:
    """Has no equality of its own."""


class ReadsTheFirstState(Sound):
    def load_state_dict(self, state_dict):
        assert "momentum" in state_dict["state"][0]
        super().load_state_dict(state_dict)


class BuildsAtOnce(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.drift = 0.0

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.drift = 0.01

    def update(self, p, g, group, state):
        super().update(p, g + self.drift, group, state)


class TakesWhatFits(Sound):
    def load_state_dict(self, state_dict):
        for p, state in zip(self.param_groups[0]["params"], state_dict["state"].values(), strict=False):
            self.state[p] = state


class Pops(Sound):
    def load_state_dict(self, state_dict):
        state = state_dict.pop("state")
        super().load_state_dict({"state": state, "param_groups": state_dict["param_groups"]})


class ResetsWhenAsked(Sound):
    def state_dict(self):
        found = super().state_dict()
        for state in self.state.values():
            state["momentum"] = torch.zeros_like(state["momentum"])
        return found


class CountsTheAsking(Sound):
    asked = 0

    def state_dict(self):
        self.asked += 1
        return {**super().state_dict(), "asked": self.asked}


class RestoresItsRate(Sound):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["lr"] = self.defaults["lr"]


class FirstRateForAll(Sound):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["lr"] = self.param_groups[0]["lr"]


class StartsAgain(Sound):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for p, state in self.state.items():
            if p.dtype == torch.float64:
                state["momentum"].zero_()


class InsistsOnItsDtype(Sound):
    def load_state_dict(self, state_dict):
        super().load_state_dict(copy.deepcopy(state_dict))
        for index, (p, state) in enumerate(self.state.items()):
            state["momentum"] = state_dict["state"][index]["momentum"].to(torch.float32)
            assert p.dtype == state["momentum"].dtype, "mixed dtypes"


class MomentumOfTheClass(Sound):
    def __init__(self, params, lr=0.1, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.momentum = momentum

    def update(self, p, g, group, state):
        super().update(p, g, {**group, "momentum": self.momentum}, state)


class QuietDefault(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "momentum": group.get("momentum", 0.5)}, state)


class UnclearError(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "momentum": float(group.get("momentum"))}, state)


class FillsIn(Sound):
    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("momentum", 0.5)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("resume", OwnCounter, "in step 6, resumed from a copied state_dict after step 5, tensor 0 (4x3) is"),
        ("resume", CountsOnlyAtOnce, "in step 6, resumed from a copied state_dict after step 5, tensor 0 (4x3) is"),
        (
            "resume",
            SinglePrecision,
            "state[0]['momentum'] is a float64 tensor of shape (4, 3) on cpu; expected a float",
        ),
        ("resume", KeepsAnObject, "cannot pickle 'module' object"),
        ("resume", KeepsAProjector, "torch.load(weights_only=True) refuses the saved state_dict: Unsupported global: "),
        ("resume_bf16", SinglePrecision, "state[0]['momentum'] is a bfloat16 tensor of shape (4, 3) on cpu; expected"),
        ("load_before_first_step", ReadsTheFirstState, "KeyError: 0"),
        ("load_before_first_step", BuildsAtOnce, "in step 1, loaded from the state_dict of an optimizer before its"),
        ("load_rejects_mismatch", TakesWhatFits, "takes the state of one parameter fewer than its own 4 in one group"),
        ("state_dict_is_pure", Pops, "the state_dict that was an argument of load_state_dict lacks state[0]['t']"),
        ("state_dict_is_pure", ResetsWhenAsked, "in step 5, asked for its state_dict after step 4, tensor 0"),
        ("state_dict_is_pure", CountsTheAsking, "asked is 2 (int); expected 1 (int)"),
        (
            "resume_mid_schedule",
            RestoresItsRate,
            "with its scheduler after step 4, param_groups[0]['lr'] is 0.1 (float);",
        ),
        (
            "resume_after_add_param_group",
            FirstRateForAll,
            "a group that was added after step 3, param_groups[1]['lr'] is 0.1",
        ),
        (
            "resume_in_float64",
            StartsAgain,
            "of the motion in 3 steps in float64, resumed from float32, tensor 0 (4x3) is",
        ),
        ("resume_in_float64", InsistsOnItsDtype, "AssertionError: mixed dtypes"),
        ("loaded_values_win", RestoresItsRate, "and loaded with 0.1, the group has 0."),
        (
            "loaded_values_win",
            MomentumOfTheClass,
            "and loaded with 0.9 after step 4, tensor 0",
        ),
        ("old_checkpoint", QuietDefault, "loaded without 'momentum', which its groups lack, against its default 0.9"),
        ("old_checkpoint", UnclearError, "a checkpoint without 'momentum' is refused with TypeError: float() argument"),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


@pytest.mark.parametrize("check", ["loaded_values_win", "old_checkpoint"])
def test_there_is_a_verdict_for_each_hyperparameter(check):
    assert list(verdicts(Sound, check)) == ["lr", "momentum", "weight_decay"]


def test_an_object_without_equality_is_left_to_the_steps():
    assert sentence(KeepsAProjector, "state_dict_is_pure") == ""


def test_a_missing_entry_that_is_filled_in_is_no_fault():
    assert sentence(FillsIn, "old_checkpoint") == ""


def test_what_does_without_bfloat16_must_raise():
    assert "the claim is out of date" in sentence(Sound, "resume_bf16", claims={"no_bf16": True})

    class Refuses(Sound):
        def update(self, p, g, group, state):
            if p.dtype == torch.bfloat16:
                raise TypeError("no bfloat16")
            super().update(p, g, group, state)

    assert sentence(Refuses, "resume_bf16", claims={"no_bf16": True}) == ""
    assert "TypeError: no bfloat16" in sentence(Refuses, "resume_bf16")


def test_what_has_no_float64_is_not_asked_for_it():
    assert cases(Sound, "resume_in_float64", claims={"no_fp64": True}) == []


def test_a_default_that_loading_writes_over_the_saved_value():
    class Resets(Sound):
        def __setstate__(self, state):
            super().__setstate__(state)
            for group in self.param_groups:
                group["weight_decay"] = 0.01

    found = verdicts(Resets, "loaded_values_win")
    assert found.pop("weight_decay") == "built with weight_decay=0.01 and loaded with 0.03, the group has 0.01"
    assert set(found.values()) == {""}


class NeverEqual:
    def __eq__(self, other):
        return False

    __hash__ = None


class KeepsWhatIsNeverEqual(Sound):
    def update(self, p, g, group, state):
        state.setdefault("other", NeverEqual())
        super().update(p, g, group, state)


def test_a_sentence_holds_no_address() -> None:
    said = sentence(KeepsWhatIsNeverEqual, "resume")
    assert "is <test_check_resume.NeverEqual> (NeverEqual); expected <test_check_resume.NeverEqual>" in said


@pytest.mark.parametrize("forgetful", [OwnCounter, CountsOnlyAtOnce])
def test_what_a_checkpoint_forgets_is_no_matter_of_whose_value_wins(forgetful):
    assert set(verdicts(forgetful, "loaded_values_win").values()) == {""}
    assert "" not in verdicts(forgetful, "resume").values()


@pytest.mark.parametrize("check", ["resume", "resume_mid_schedule", "resume_after_add_param_group", "rng_untouched"])
def test_state_that_loading_rounds_is_seen_before_steps_part(check):
    class Bound(Sound):
        def update(self, p, g, group, state):
            state["bound"] = torch.full((2,), 1 / 3, dtype=torch.float64)
            super().update(p, g, group, state)

    found = next(iter(verdicts(Bound, check, claims={"stochastic": True}).values()))
    assert "state[0]['bound'] is a float32 tensor of shape (2,) on cpu; expected a float64 tensor" in found
