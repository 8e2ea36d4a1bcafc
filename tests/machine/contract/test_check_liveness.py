"""hyperparameters_are_live: one verdict for each number and flag, and dead ones are found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from moves import normalized, optimizer_of, verdicts
from verdicts import subject_of

from pytest_optbench.machine.contract.checks.liveness import Bowl, changed, hyperparameters_are_live
from pytest_optbench.machine.contract.plan import CheckCase

CHECK = "hyperparameters_are_live"


def test_every_number_and_flag_of_a_sound_optimizer_is_live() -> None:
    said = verdicts(optimizer_of(normalized), CHECK)
    assert said == dict.fromkeys(("betas.0", "betas.1", "eps", "lr", "weight_decay", "maximize"), "")


def without_decay(p, g, state, group):
    normalized(p, g, state, {**group, "weight_decay": 0.0})


def fixed_beta(p, g, state, group):
    normalized(p, g, state, {**group, "betas": (group["betas"][0], 0.99)})


def swallowed_eps(p, g, state, group):
    normalized(p, g, state, {**group, "eps": 1e-8})


def fixed_lr(p, g, state, group):
    normalized(p, g, state, {**group, "lr": 0.01})


@pytest.mark.parametrize(
    ("move", "part", "words"),
    [
        (without_decay, "weight_decay", "weight_decay=0.1 or 0.5 are to the bit those with 0.0"),
        (fixed_beta, "betas.1", "betas.1 has no effect: 40 steps"),
        (swallowed_eps, "eps", "eps has no effect: 40 steps with eps=0.0001"),
        (fixed_lr, "lr", "lr has no effect"),
    ],
)
def test_a_dead_hyperparameter_is_named_and_the_others_are_not_blamed(move, part, words) -> None:
    said = verdicts(optimizer_of(move, betas=(0.9, 0.99)), CHECK)
    assert words in said.pop(part)
    assert set(said.values()) == {""}


def with_floor(p, g, state, group):
    normalized(p, g / g.norm().clamp(min=group["floor"]), state, group)


def test_a_floor_far_below_what_is_seen_is_alive() -> None:
    assert verdicts(optimizer_of(with_floor, floor=1e-2), CHECK)["floor"] == ""


def test_a_flag_that_nobody_reads() -> None:
    assert "flag=True" in verdicts(optimizer_of(normalized, flag=False), CHECK)["flag"]


def test_options_that_are_none_text_or_an_implementation_are_left_out() -> None:
    said = verdicts(optimizer_of(normalized, foreach=False, mode="a", limit=None), CHECK)
    assert not {"foreach", "mode", "limit"} & set(said)


def test_a_refused_value_is_an_answer() -> None:
    class Refuses(torch.optim.SGD):
        def __init__(self, params, lr=0.1, *, level=0):
            if level:
                raise ValueError("only level 0")
            super().__init__(params, lr)

    assert verdicts(Refuses, CHECK)["level"] == ""


@pytest.mark.parametrize("dead", ["betas", "betas.1"])
def test_what_is_claimed_as_dead_is_not_tried(dead) -> None:
    assert "betas.1" not in verdicts(optimizer_of(normalized), CHECK, claims={"dead_ok": [dead]})


@pytest.mark.parametrize(
    ("name", "value", "first"),
    [
        ("nesterov", False, True),
        ("warmup", 0, 1),
        ("weight_decay", 0.0, 0.1),
        ("eps", 1e-8, 1e-4),
        ("beta", 0.9, 0.85),
        ("d", 1.0, 2.0),
        ("decay", -0.8, -0.7),
        ("rate", float("inf"), 2.0),
    ],
)
def test_other_values(name, value, first) -> None:
    others = changed(name, value)
    assert others[0] == pytest.approx(first)
    assert value not in others


def test_what_only_the_defaults_hold_is_no_option() -> None:
    class Counts(torch.optim.Optimizer):
        def __init__(self, params, lr=0.1, **others):
            super().__init__(params, {"lr": lr, "step": 0, "eps": others.get("eps", 1e-8)})

        def step(self, closure=None):
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.sub_(self.param_groups[0]["lr"] * p.grad)

    said = verdicts(Counts, CHECK)
    assert "step" not in said
    assert "eps has no effect" in said["eps"]


@pytest.mark.parametrize("seed", [0, 1, 5])
@pytest.mark.parametrize("part", ["tolerance_grad", "tolerance_change"])
def test_what_a_line_search_makes_of_an_option_hangs_on_no_seed(part, seed) -> None:
    hyperparameters = {"line_search_fn": "strong_wolfe"}
    subject = subject_of(torch.optim.LBFGS, claims={"multi_closure": True}, **hyperparameters)
    CheckCase(replace(subject, seed=seed), hyperparameters_are_live, part).run()


def test_the_gradient_of_the_bowl_is_that_of_its_loss() -> None:
    bowl, p = Bowl(3.0), torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    (expected,) = torch.autograd.grad(bowl.loss([p]), p)
    torch.testing.assert_close(bowl(0, 0, p.detach()), expected)
