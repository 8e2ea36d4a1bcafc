"""Checks of copies: each fault is found, and named."""

from __future__ import annotations

import copy

import pytest
import torch
from life_cycle import Sound, cases, sentence


class Attribute(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.factor = 0.5

    def update(self, p, g, group, state):
        super().update(p, g * self.factor, group, state)


class SharesItsState(Sound):
    def __deepcopy__(self, memo):
        made = copy.copy(self)
        made.__dict__.update(self.__dict__, param_groups=copy.deepcopy(self.param_groups, memo))
        made.state = type(self.state)(dict)
        for p, state in self.state.items():
            made.state[copy.deepcopy(p, memo)] = state
        return made


class HoldsALambda(Sound):
    def __getstate__(self):
        return {**super().__getstate__(), "schedule": lambda t: t}


class FlattensAtOnce(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.all = list(self.param_groups[0]["params"])

    def __getstate__(self):
        return {**super().__getstate__(), "all": self.all}

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.all:
            self.update(p, p.grad, self.param_groups[0], self.state[p])


@pytest.mark.parametrize("check", ["deepcopy", "pickle"])
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        ("deepcopy", Attribute, "AttributeError: 'Attribute' object has no attribute 'factor'"),
        ("deepcopy", SharesItsState, "of the state of an optimizer whose deep copy took 4 steps, tensor 0"),
        ("pickle", Attribute, "AttributeError: 'Attribute' object has no attribute 'factor'"),
        ("pickle", HoldsALambda, "lambda"),
        ("pickle", FlattensAtOnce, "a group that was added to a pickled optimizer does not move in 4 steps"),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


def test_a_group_is_added_only_where_there_may_be_several():
    assert sentence(FlattensAtOnce, "pickle", claims={"one_group": True}) == ""


def test_what_pickle_cannot_find_by_name_is_not_asked():
    class Local(Sound):
        pass

    assert cases(Local, "pickle") == []
    assert cases(Local, "deepcopy")
