"""Checks of groups: each fault is found, and named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from life_cycle import Sound, cases, sentence, verdicts

CHECKS = (
    "groups_equal_separate",
    "add_param_group",
    "order_and_grouping",
    "named_parameters",
    "tensor_independence",
    "groups_not_rewritten",
)


class FirstRate(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "lr": self.param_groups[0]["lr"]}, state)


class DefaultDecay(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, {**group, "weight_decay": self.defaults["weight_decay"]}, state)


class CountsGroups(Sound):
    def step(self, closure=None):
        self.t = getattr(self, "t", 0) + len(self.param_groups)
        return super().step(closure)

    def update(self, p, g, group, state):
        super().update(p, g / self.t, group, state)


class OneCounter(Sound):
    def step(self, closure=None):
        self.t = getattr(self, "t", 0) + 1
        return super().step(closure)

    def update(self, p, g, group, state):
        super().update(p, g / self.t, group, state)


class FlattensAtOnce(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.all = [(group, p) for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, closure=None):
        for group, p in self.all:
            self.update(p, p.grad, group, self.state[p])


class ByPosition(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for index, p in enumerate(group["params"]):
                self.update(p, p.grad / (1 + index), group, self.state[p])


class ReadsTwice(Sound):
    def __init__(self, params, lr=0.1):
        self.count = sum(1 for _ in params)
        super().__init__(params, lr)


class ForgetsNames(Sound):
    def __init__(self, params, lr=0.1):
        super().__init__([p[1] if isinstance(p, tuple) else p for p in params], lr)


class RefusesNames(Sound):
    def __init__(self, params, lr=0.1):
        params = list(params)
        if isinstance(params[0], tuple):
            raise TypeError("parameters with names are not supported")
        super().__init__(params, lr)


class SharesByShape(Sound):
    def update(self, p, g, group, state):
        shared = self.__dict__.setdefault("shared", {})
        super().update(p, g, group, shared.setdefault(p.shape, {}))


class Anneals(Sound):
    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            group["lr"] *= 0.99  # the line
        return loss


class FindsOut(Sound):
    """Resolves an option once; with `again`, at every step."""

    again = False

    def __init__(self, params, lr=0.1, fast=None):
        super().__init__(params, lr)
        self.param_groups[0]["fast"] = fast

    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        if group["fast"] is None or self.again:
            group["fast"] = state["t"]


class FindsOutAgain(FindsOut):
    again = True


class CountsInTheGroup(Sound):
    def __init__(self, params, lr=0.1, **other):
        super().__init__(params, lr)
        self.defaults["k"] = self.param_groups[0]["k"] = 0

    def step(self, closure=None):
        self.param_groups[0]["k"] += 1
        return super().step(closure)


class ChangesDefaults(Sound):
    def step(self, closure=None):
        self.defaults["momentum"] = 0.5
        return super().step(closure)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW])
def test_a_sound_optimizer_passes(optimizer, check):
    assert sentence(optimizer, check) == ""


@pytest.mark.parametrize(
    ("check", "optimizer", "fault"),
    [
        (
            "groups_equal_separate",
            CountsGroups,
            "after step 1 of two groups, against two optimizers, tensor 0 (4x3) is",
        ),
        (
            "groups_equal_separate",
            FirstRate,
            "after step 1 of two groups with lr=",
        ),
        ("add_param_group", OneCounter, "after step 4 with tensors from 2 on in a group that was added after step 3"),
        (
            "add_param_group",
            FlattensAtOnce,
            "after step 4 with tensors from 2 on in a group that was added after step 3",
        ),
        ("order_and_grouping", ByPosition, "after 4 steps with the parameters in reversed order, tensor 0 (4x3) is"),
        ("order_and_grouping", CountsGroups, "after 4 steps with a group for each parameter, tensor 0 (4x3) is"),
        ("order_and_grouping", ReadsTwice, "ValueError: optimizer got an empty parameter list"),
        (
            "named_parameters",
            ForgetsNames,
            "built with named parameters, the state_dict names them []; expected ['layer0",
        ),
        ("tensor_independence", SharesByShape, "after 4 steps among others against alone, tensor 0 (4x3)"),
        ("groups_not_rewritten", Anneals, "step 1 changed param_groups[0]['lr'] from 0.1 to 0.099"),
        ("groups_not_rewritten", FindsOutAgain, "step 2 changed param_groups[0]['fast'] from 1 to 2"),
        ("groups_not_rewritten", ChangesDefaults, "step 1 changed defaults['momentum'] from 0.9 to 0.5"),
    ],
)
def test_a_broken_one_fails_with_the_fault(check, optimizer, fault):
    assert fault in sentence(optimizer, check)


@pytest.mark.parametrize(("optimizer", "name"), [(FirstRate, "lr"), (DefaultDecay, "weight_decay")])
def test_the_verdict_is_on_the_hyperparameter(optimizer, name):
    found = verdicts(optimizer, "groups_equal_separate")
    assert list(found) == ["defaults", "lr", "momentum", "weight_decay"]
    assert [part for part, broken in found.items() if broken] == [name]


def test_what_is_honoured_in_the_constructor_only_may_be_claimed():
    found = verdicts(DefaultDecay, "groups_equal_separate", claims={"not_per_group": ["weight_decay"]})
    assert list(found) == ["defaults", "lr", "momentum"]


def test_a_value_that_the_constructor_refuses_is_no_fault():
    assert verdicts(torch.optim.SGD, "groups_equal_separate")["nesterov"] == ""


def test_one_group_must_be_refused():
    claims = {"one_group": True}
    assert "two groups raise nothing" in sentence(Sound, "groups_equal_separate", claims=claims)
    assert "neither add_param_group nor the steps" in sentence(Sound, "add_param_group", claims=claims)
    lbfgs = {**claims, "couples_params": True, "multi_closure": True}
    assert sentence(torch.optim.LBFGS, "groups_equal_separate", claims=lbfgs) == ""
    assert sentence(torch.optim.LBFGS, "add_param_group", claims=lbfgs) == ""


def test_a_group_that_stands_still_is_found_whatever_is_claimed():
    found = sentence(FlattensAtOnce, "add_param_group", claims={"global_step": True})
    assert found == "tensor 2, in a group that was added after step 3, does not move in 8 steps"
    assert sentence(OneCounter, "add_param_group", claims={"global_step": True}) == ""


def test_named_parameters_may_be_refused():
    assert sentence(RefusesNames, "named_parameters") == ""


@pytest.mark.parametrize("check", ["order_and_grouping", "tensor_independence"])
def test_coupled_parameters_are_not_taken_apart(check):
    assert cases(Sound, check, claims={"couples_params": True}) == []


@pytest.mark.parametrize("optimizer", [FindsOut, CountsInTheGroup])
def test_what_was_none_and_what_the_constructor_does_not_name_may_be_written(optimizer):
    assert sentence(optimizer, "groups_not_rewritten") == ""


def test_an_entry_that_steps_may_write_is_claimed():
    assert sentence(Anneals, "groups_not_rewritten", claims={"adaptive_keys": ["lr"]}) == ""


def test_the_sentence_leads_to_the_line():
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# the line" in text)
    assert sentence(Anneals, "groups_not_rewritten").endswith(f"test_check_groups.py:{line}")
