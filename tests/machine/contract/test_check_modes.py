"""The check of train() and eval(): each fault is found, and named."""

from __future__ import annotations

import pytest
import torch
from life_cycle import Sound, cases, sentence


class Averaging(Sound):
    """Steps at one point, evaluates at the mean of the steps."""

    mode = "train"

    def update(self, p, g, group, state):
        self.require_train_mode()
        super().update(p, g, group, state)
        mean = state.setdefault("mean", p.clone())
        mean.lerp_(p, 1 / state["t"])

    def require_train_mode(self):
        if self.mode != "train":
            raise RuntimeError("call train() before step()")

    @torch.no_grad()
    def eval(self):
        if self.mode == "train":
            for p, state in self.state.items():
                state["kept"] = p.clone()
                p.copy_(state["mean"])
        self.mode = "eval"

    @torch.no_grad()
    def train(self):
        if self.mode == "eval":
            for p, state in self.state.items():
                p.copy_(state["kept"])
        self.mode = "train"


class StepsAnywhere(Averaging):
    def require_train_mode(self):
        pass


class AveragesAgain(Averaging):
    @torch.no_grad()
    def eval(self):
        super().eval()
        for p in self.state:
            p.mul_(0.5)


class DoesNotReturn(Averaging):
    def train(self):
        self.mode = "train"


class Shrinks(Averaging):
    @torch.no_grad()
    def train(self):
        super().train()
        for p in self.state:
            p.mul_(0.999)


class WithoutEffect(Averaging):
    def eval(self):
        self.mode = "eval"

    def train(self):
        self.mode = "train"


def test_a_sound_optimizer_passes():
    assert sentence(Averaging, "train_eval") == ""


@pytest.mark.parametrize(
    ("optimizer", "fault"),
    [
        (StepsAnywhere, "step() in eval mode raises nothing; expected an error"),
        (AveragesAgain, "after eval() in eval mode, tensor 0 (4x3) is"),
        (DoesNotReturn, "after eval() and train(), against before, tensor 0 (4x3) is"),
        (Shrinks, "after train() in train mode, tensor 0 (4x3) is"),
        (WithoutEffect, "after 8 steps, eval() leaves the parameters as they are in train mode"),
    ],
)
def test_a_broken_one_fails_with_the_fault(optimizer, fault):
    assert fault in sentence(optimizer, "train_eval")


def test_what_has_no_modes_is_not_asked():
    assert cases(Sound, "train_eval") == []
