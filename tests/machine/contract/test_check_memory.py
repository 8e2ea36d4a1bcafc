"""state_bounded, no_leak and step_cost."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts
from torch.optim import SGD

from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Recipe, declared


@pytest.mark.parametrize("check", ["state_bounded", "no_leak", "step_cost"])
def test_a_sound_optimizer(check) -> None:
    assert verdicts(optimizer_of(normalized), check) == {"": ""}


def grows(p, g, state, group):
    state["seen"] = torch.cat([state.get("seen", g[:0]), g])
    plain(p, g, state, group)


def lists(p, g, state, group):
    state.setdefault("seen", []).append(g.clone())
    plain(p, g, state, group)


def with_graph(p, g, state, group):
    with torch.enable_grad():
        state["norm"] = (p * g).sum()
    plain(p, g, state, group)


def requires(p, g, state, group):
    state.setdefault("m", torch.zeros_like(p).requires_grad_())
    plain(p, g, state, group)


def sums_up(p, g, state, group):
    seen = group.setdefault("lengths", [])
    seen.append(1)
    plain(p, sum([g for _ in seen[::50]]) / len(seen[::50]), state, group)


class KeepsLosses(SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.losses = []

    def step(self, closure=None):
        loss = super().step(closure)
        if loss is not None:
            self.losses.append(loss)
        return loss


class KeepsGradients(SGD):
    kept: list[torch.Tensor]

    def step(self, closure=None):
        self.__dict__.setdefault("kept", []).append(self.param_groups[0]["params"][0].grad)
        return super().step(closure)


class SlowerOnceLoaded(SGD):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.loaded = True

    def step(self, closure=None):
        if getattr(self, "loaded", False):
            self.param_groups[0]["params"][0].detach().clone()
        return super().step(closure)


@pytest.mark.parametrize(
    ("optimizer", "check", "words"),
    [
        (optimizer_of(grows), "state_bounded", "bytes after 4 steps and"),
        (optimizer_of(lists), "state_bounded", "at most 64 more are allowed"),
        (optimizer_of(with_graph), "state_bounded", "state 'norm' of tensor 0 has the grad_fn SumBackward0"),
        (optimizer_of(requires), "state_bounded", "state 'm' of tensor 0 requires a gradient"),
        (optimizer_of(lists), "no_leak", "made in plain steps"),
        (KeepsGradients, "no_leak", "made in plain steps"),
        (KeepsLosses, "no_leak", "made in steps with a closure"),
        (optimizer_of(sums_up), "step_cost", "from step 320 on"),
        (SlowerOnceLoaded, "step_cost", "after loading a state_dict at step"),
    ],
)
def test_what_grows(optimizer, check, words) -> None:
    assert words in verdicts(optimizer, check)[""]


def test_a_history_may_grow() -> None:
    claims = {"history": True}
    assert verdicts(optimizer_of(lists), "state_bounded", claims=claims) == {"": ""}
    assert verdicts(optimizer_of(lists), "no_leak", claims=claims) == {}
    assert verdicts(optimizer_of(sums_up), "step_cost", claims=claims) == {}


def test_slots() -> None:
    assert verdicts(optimizer_of(normalized), "state_bounded", claims={"slots": 2}) == {"": ""}
    assert "slots=1 allows" in verdicts(optimizer_of(normalized), "state_bounded", claims={"slots": 1})[""]


@pytest.mark.parametrize(
    ("optimizer", "options", "bytes_per_param"),
    [(torch.optim.Adam, {}, 8), (SGD, {}, 0), (SGD, {"momentum": 0.9}, 4), (torch.optim.Adam, {"amsgrad": True}, 12)],
)
def test_the_measure(optimizer, options, bytes_per_param) -> None:
    recipe = Recipe(name="Made", optimizer=optimizer, where="here", hyperparameters=options)
    with torch.enable_grad():
        measures = CHECKS["state_bounded"].run(Subject(recipe, declared(recipe)), "")
    assert measures == {"state_bytes_per_param": bytes_per_param}
