"""Derived configurations: which there are where none are declared, and what is asked of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from verdicts import recipe_of

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.configurations import subjects
from pytest_optbench.machine.contract.plan import plan
from pytest_optbench.machine.recipe import declared
from pytest_optbench.words.errors import OptbenchError


class Plain(torch.optim.Optimizer):
    """Gradient descent with a decay that is off, a flag, and an option that needs the decay."""

    def __init__(self, params, lr=0.1, weight_decay: float = 0, shrink=1.0, flip=False, foreach=None, dead=1.0):
        if flip and weight_decay:
            raise ValueError("flip knows no decay")
        defaults = {"lr": lr, "weight_decay": weight_decay, "shrink": shrink, "flip": flip, "dead": dead}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"] * group["shrink"])
                    p.add_(p.grad, alpha=group["lr"] if group["flip"] else -group["lr"])


def derived(optimizer, *, claims=None, **hyperparameters):
    recipe = replace(recipe_of(optimizer, claims=claims, **hyperparameters), derives=True)
    return recipe, {one.configuration: one for one in subjects(recipe, declared(recipe))}


def said(optimizer, check, *, claims=None, expected_failures=None):
    recipe = replace(derived(optimizer, claims=claims)[0], expected_failures=expected_failures or {})
    found = {}
    for case in plan(recipe, declared(recipe)):
        if case.check.name == check:
            try:
                case.run()
                found[case.name] = ""
            except ContractBroken as broken:
                found[case.name] = str(broken)
    return found


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (
            torch.optim.SGD,
            {
                "momentum=0.9": {"momentum": 0.9},
                "dampening=0.1": {"momentum": 0.9, "dampening": 0.1},
                "weight_decay=0.1": {"momentum": 0.9, "weight_decay": 0.1},
                "nesterov=True": {"momentum": 0.9, "nesterov": True},
                "maximize=True": {"momentum": 0.9, "maximize": True},
                "foreach=True": {"momentum": 0.9, "weight_decay": 0.1, "foreach": True},
            },
        ),
        (
            torch.optim.AdamW,
            {"maximize=True": {"maximize": True}, "foreach=True": {"foreach": True}, "amsgrad=True": {"amsgrad": True}},
        ),
        (
            Plain,
            {
                "weight_decay=0.1": {"weight_decay": 0.1},
                "flip=True": {"flip": True},
                "foreach=True": {"foreach": True, "weight_decay": 0.1},
            },
        ),
    ],
)
def test_each_option_that_is_off_and_each_flag_makes_a_configuration(optimizer, expected):
    _, found = derived(optimizer)
    assert {name: one.recipe.configurations[name] for name, one in found.items() if name != "default"} == expected


def test_an_option_that_the_recipe_sets_or_calls_dead_is_left_alone():
    _, found = derived(Plain, claims={"dead_ok": ["flip"]}, weight_decay=0.2)
    assert list(found) == ["default", "foreach=True"]


def test_configurations_that_are_declared_are_all_there_are():
    recipe = recipe_of(Plain, configurations={"decayed": {"weight_decay": 0.3}})
    assert [one.configuration for one in subjects(recipe, declared(recipe))] == ["default", "decayed"]


def test_properties_that_are_claimed_of_the_default_are_not_asked_of_derived_configurations():
    _, found = derived(Plain, claims={"elementwise": True, "weight_decay": "decoupled", "no_complex": True})
    asked = {name: sorted(one.claims) for name, one in found.items()}
    assert asked["weight_decay=0.1"] == ["no_complex", "weight_decay"]
    assert asked["flip=True"] == ["no_complex"]


def test_an_option_is_alive_that_has_an_effect_in_a_derived_configuration_only():
    found = said(Plain, "hyperparameters_are_live")
    assert found.pop("default::hyperparameters_are_live::dead").startswith("dead has no effect")
    assert set(found) == {
        f"default::hyperparameters_are_live::{one}" for one in ("lr", "weight_decay", "shrink", "flip")
    }
    assert not any(found.values())


def test_what_goes_wrong_behind_an_option_is_found_without_a_declaration():
    class Replaces(Plain):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"] if group["flip"] else ():
                    p.data = p.data.clone()

    found = said(Replaces, "in_place")
    assert {name.split("::")[0] for name, sentence in found.items() if sentence} == {"flip=True"}
    assert {name.split("::")[0] for name in found} > {"default", "flip=True"}


def test_a_check_that_is_expected_to_fail_is_not_made_of_derived_configurations():
    found = said(Plain, "gradient_untouched", expected_failures={"gradient_untouched": "known"})
    assert set(found) == {"default::gradient_untouched::float32", "default::gradient_untouched::float64"}


def test_a_failure_in_a_derived_configuration_is_expected_by_its_name():
    recipe = replace(derived(Plain)[0], expected_failures={"flip=True::moves_and_descends": "uphill, as asked"})
    expected = {case.name for case in plan(recipe, declared(recipe)) if case.expected}
    assert expected == {"flip=True::moves_and_descends::float32", "flip=True::moves_and_descends::float64"}


def test_a_claim_may_be_made_of_a_derived_configuration():
    _, found = derived(Plain, claims={"flip=True": {"elementwise": True}})
    assert {name for name, one in found.items() if one.claimed("elementwise")} == {"flip=True"}


@pytest.mark.parametrize("where", ["claims", "expected_failures"])
def test_a_derived_configuration_that_there_is_not_is_one_sentence(where):
    said = {"claims": {"flop=True": {"elementwise": True}}, "expected_failures": {"flop=True::resume": "why not"}}[
        where
    ]
    recipe = replace(derived(Plain)[0], **{where: said})
    with pytest.raises(OptbenchError, match=f"here: {where}: .*flop=True.*did you mean 'flip=True"):
        plan(recipe, declared(recipe))
