"""Checks of hooks: each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, sentence


class Wrapped(Sound):
    def __repr__(self):
        return "an optimizer"


class CallsHooksItself(Sound):
    def step(self, closure=None):
        for hook in self._optimizer_step_post_hooks.values():
            hook(self, (), {})
        return super().step(closure)


class StepsTwice(Sound):
    def step(self, closure=None):
        loss = super().step(closure)
        for hook in [*self._optimizer_step_pre_hooks.values(), *self._optimizer_step_post_hooks.values()]:
            hook(self, (), {})
        return loss


class SwapsThem(Sound):
    def register_step_post_hook(self, hook):
        return self.register_step_pre_hook(hook)


class OwnStateDict(Sound):
    def state_dict(self):
        return {"state": {}, "param_groups": []}


class OwnLoad(Sound):
    def load_state_dict(self, state_dict):
        self.__setstate__({"state": self.state, "param_groups": self.param_groups})


class TwiceAsked(Sound):
    def state_dict(self):
        super().state_dict()
        return super().state_dict()


@pytest.mark.parametrize("check", ["hooks", "state_dict_hooks"])
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("hooks", Wrapped, "repr() does not hold the class's name, Wrapped"),
        ("hooks", CallsHooksItself, "in step 1 the hooks ran as ['pre 1', 'pre 2', 'post 1', 'post 2', 'post 1', "),
        ("hooks", StepsTwice, "in step 1 the hooks ran as ['pre 1', 'pre 2', 'pre 1', 'pre 2', 'post 1', "),
        ("hooks", SwapsThem, "when the post-hooks of step 1 ran, tensor 0 (4x3) is"),
        ("state_dict_hooks", OwnStateDict, "state_dict() ran no hook; expected its pre-hook and its post-hook"),
        ("state_dict_hooks", OwnLoad, "load_state_dict() ran no hook; expected its pre-hook and its post-hook"),
        ("state_dict_hooks", TwiceAsked, "state_dict() ran the hooks ['state_dict pre', 'state_dict post', "),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


def test_a_step_within_a_step_may_run_them_again():
    class Outer(Sound):
        def step(self, closure=None):
            return super().step(closure)

    Sound([torch.nn.Parameter(torch.ones(1))])  # from now on torch wraps Sound's step as well
    wrapped = Sound.step
    assert sentence(Outer, "hooks") == ""
    assert Sound.step is wrapped
    assert Sound.step.hooked
