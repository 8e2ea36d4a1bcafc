"""Parity: a sound rewrite of the reference passes, one slip in it is found and told where."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.contract import counterpart
from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.plan import CheckCase, plan
from pytest_optbench.machine.contract.reference import Reference
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError


class Rewritten(torch.optim.Optimizer):
    """AdamW with every formula in another form than torch has it; a slip is planted by its name."""

    slip = ""

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, maximize=False, more=0
    ):
        if self.slip == "refuses" and amsgrad and maximize:
            raise ValueError("amsgrad with maximize")
        named = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "more": more}
        super().__init__(params, {**named, "amsgrad": amsgrad, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure() * (2 if self.slip == "loss" else 1)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group, self.state[p])
        return loss

    def _update(self, p, g, group, state):
        (one, two), lr = group["betas"], group["lr"] + group["more"]
        if not state:
            state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p), most=torch.zeros_like(p))
        if group["maximize"]:
            g = -g
        eps = self.defaults["eps"] if self.slip == "group" else group["eps"]
        lr = self.defaults["lr"] if self.slip == "schedule" else lr
        state["t"] += 1
        t = state["t"] + (self.slip == "count")
        state["m"] = one * state["m"] + (1 - one) * g
        state["v"] = two * state["v"] + (1 - two) * g * g
        v = state["v"]
        if group["amsgrad"]:
            state["most"] = torch.maximum(state["most"], v if self.slip != "maximum" else -v)
            v = state["most"]
        inside, outside = (eps**2, 0) if self.slip == "eps" else (0, eps)
        root = (v / (1 - two**t) + inside).sqrt() + outside
        decay = lr * (group["weight_decay"] if self.slip != "one" else group["weight_decay"] % 1) * (p - 0 * g)
        if self.slip == "norm":
            decay *= min(1.0, 10.0 / p.norm().item()) if p.any() else 1.0
        step = lr * state["m"] / (1 - one**t) / root
        if self.slip == "order":
            p.sub_(step).sub_(lr * group["weight_decay"] * p)
        else:
            p.sub_(decay + step)
        if self.slip == "zero" and not g.any():
            p.mul_(1 - 1e-6)


def planted(slip: str) -> type[Rewritten]:
    return type("Planted", (Rewritten,), {"slip": slip})


def cases_of(optimizer=Rewritten, reference=torch.optim.AdamW, *, names=(), extra=(), **keywords) -> list[CheckCase]:
    given = Reference(reference, dict(names), dict(extra))
    recipe = Recipe(name="Mine", optimizer=optimizer, where="here", reference=given, **keywords)
    return [case for case in plan(recipe, declared(recipe)) if case.check.name.startswith("parity")]


def failures(cases: list[CheckCase]) -> dict[str, str]:
    found = {}
    for case in cases:
        try:
            case.run()
        except ContractBroken as broken:
            found[case.name.removeprefix("default::")] = str(broken)
    return found


SCENARIOS = {
    "defaults",
    "quadratic",
    "mlp",
    "groups",
    "changing_lr",
    "missing_gradients",
    "zero_gradients",
    "weight_decay",
    "sizes",
    "closure",
}


def test_a_rewrite_with_other_roundings_passes_every_scenario_and_every_pair_of_options():
    cases = cases_of(configurations={"amsgrad": {"amsgrad": True}})
    assert failures(cases) == {}
    names = {case.name for case in cases}
    assert {f"default::parity::{name}" for name in SCENARIOS} <= names
    assert {f"amsgrad::parity::{name}" for name in SCENARIOS - {"defaults"}} <= names
    options = ["lr", "betas_0", "betas_1", "eps", "weight_decay", "amsgrad", "maximize"]
    assert sum("parity_of_options" in name for name in names) == len(options) + math.comb(len(options), 2)
    assert "default::parity_of_options::amsgrad+maximize" in names


SLIPS = {
    "count": ("parity::quadratic", "in step 1, tensor 0 (4x3) is "),
    "order": ("parity::weight_decay", "weight_decay=0.1"),
    "eps": ("parity::missing_gradients", "1e-09 of the way so far"),
    "group": ("parity::groups", "group 1: lr=0.003, "),
    "schedule": ("parity::changing_lr", "in step 5, tensor 0"),
    "zero": ("parity::zero_gradients", "in step 1, tensor 0"),
    "one": ("parity::weight_decay", "weight_decay=1.0"),
    "norm": ("parity::sizes", "in step 1, tensor 0"),
    "loss": ("parity::closure", "step 1 returned "),
    "maximum": (
        "parity_of_options::amsgrad+maximize",
        "amsgrad=True, maximize=True; reference torch.optim.adamw:AdamW",
    ),
    "refuses": (
        "parity_of_options::amsgrad+maximize",
        "the optimizer is not built (ValueError: amsgrad with maximize)",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_found_and_its_place_is_told(slip):
    check, words = SLIPS[slip]
    (case,) = [case for case in cases_of(planted(slip)) if case.name == f"default::{check}"]
    with pytest.raises(ContractBroken) as broken:
        case.run()
    assert words in str(broken.value)


def test_a_slip_of_one_option_is_found_only_where_that_is_changed():
    cases = [case for case in cases_of(planted("maximum")) if case.check.name == "parity_of_options"]
    assert {name.rpartition("::")[2] for name in failures(cases)} == {
        "amsgrad",
        "lr+amsgrad",
        "betas_0+amsgrad",
        "betas_1+amsgrad",
        "eps+amsgrad",
        "weight_decay+amsgrad",
        "amsgrad+maximize",
    }


def test_another_default_is_found_once():
    class Careful(Rewritten):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2):
            super().__init__(params, lr, betas, eps, weight_decay)

    assert failures(cases_of(Careful)) == {
        "parity::defaults": "the default of eps is 1e-06, that of eps in torch.optim.adamw:AdamW is 1e-08; "
        "set it in 'hyperparameters' if that is meant"
    }
    assert failures(cases_of(Careful, hyperparameters={"eps": 1e-6})) == {}


class Renamed(torch.optim.AdamW):
    """AdamW whose eps has another name, and which has an option of its own."""

    def __init__(self, params, lr=1e-3, epsilon=1e-8, weight_decay=1e-2, cautious=False, foreach=None):
        super().__init__(params, lr, (0.9, 0.99), epsilon, weight_decay, foreach=foreach)


def test_names_and_hyperparameters_of_the_reference_are_used():
    names, extra = {"epsilon": "eps", "cautious": ""}, {"betas": (0.9, 0.99)}
    claims = {"not_per_group": ["epsilon"]}  # the group's entry is called eps
    cases = cases_of(Renamed, names=names, extra=extra, claims=claims, configurations={"eps": {"epsilon": 1e-3}})
    assert failures(cases) == {}
    assert "default::parity_of_options::lr+epsilon" in {case.name for case in cases}
    assert "parity::quadratic" in failures(cases_of(Renamed, names=names))
    assert "parity::quadratic" in failures(cases_of(Renamed, names={}, extra={"betas": (0.9, 0.99), "eps": 1e-2}))


def test_a_configuration_with_an_option_that_the_reference_lacks_has_no_parity():
    configurations = {"cautious": {"cautious": True}, "off": {"cautious": False}, "foreach": {"foreach": True}}
    cases = cases_of(Renamed, names={"epsilon": "eps"}, configurations=configurations)
    assert {case.configuration for case in cases} == {"default", "off", "foreach"}


def test_what_the_reference_cannot_be_told_by_default_is_a_failure():
    def refuses(params, lr=1e-3):
        raise ValueError("never")

    assert (
        "the reference is not built (ValueError: never)" in failures(cases_of(torch.optim.SGD, refuses))["parity::mlp"]
    )


@pytest.mark.parametrize(
    ("optimizer", "keywords"),
    [
        (torch.optim.Muon, {}),
        (torch.optim.LBFGS, {"claims": {"one_group": True}}),
        (torch.optim.NAdam, {"configurations": {"foreach": {"foreach": True}}}),
        (torch.optim.SparseAdam, {"claims": {"sparse_only": True}}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_optimizer_is_its_own_reference(optimizer, keywords):
    cases = [case for case in cases_of(optimizer, optimizer, **keywords) if case.check.name == "parity"]
    assert len(cases) >= 5
    assert failures(cases) == {}


def test_random_numbers_are_the_same_for_both():
    class Noisy(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.add_(torch.randn_like(p), alpha=1e-3)
            return super().step(closure)

    assert failures(cases_of(Noisy, Noisy, claims={"stochastic": True})) == {}


def test_no_reference_no_parity():
    recipe = Recipe(name="Mine", optimizer=torch.optim.SGD, where="here")
    assert not [case for case in plan(recipe, declared(recipe)) if case.check.name.startswith("parity")]


def loaded(reference, **keywords):
    declaration = OptimizerDeclaration(name="Mine", where="here", optimizer=Renamed, reference=reference, **keywords)
    return load_recipe(declaration, root=None, tasks=()).reference


def test_a_reference_is_loaded_from_its_name_its_table_or_itself():
    assert loaded("torch.optim:AdamW").optimizer is torch.optim.AdamW
    assert loaded(torch.optim.AdamW) == Reference(torch.optim.AdamW)
    table = {"class": "torch.optim:AdamW", "names": {"epsilon": "eps"}, "hyperparameters": {"betas": [0.9, 0.99]}}
    assert loaded(table) == Reference(torch.optim.AdamW, {"epsilon": "eps"}, {"betas": (0.9, 0.99)})
    assert loaded("") is None


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (
            {"class": "torch.optim:AdamW", "names": {"epsilom": "eps"}},
            "here: reference: names: unknown hyperparameter 'epsilom'; did you mean 'epsilon'?",
        ),
        (
            {"class": "torch.optim:AdamW", "names": {"epsilon": "epz"}},
            "here: reference: unknown hyperparameter of torch.optim.adamw:AdamW 'epz'; did you mean 'eps'?",
        ),
        (
            {"class": "torch.optim:AdamW", "hyperparameters": {"beta": 1}},
            "here: reference: unknown hyperparameter of torch.optim.adamw:AdamW 'beta'; did you mean 'betas'?",
        ),
        (
            "torch.optim:AdamW",
            "here: reference: torch.optim.adamw:AdamW has no hyperparameter 'epsilon'; say what it is called there "
            'with names = { epsilon = "..." }, empty if it needs none',
        ),
        ("math:pi", "here: reference: 'math:pi' is a float; expected a class"),
        ("torch.nn:Linear", "here: reference: Linear is no torch.optim.Optimizer"),
        ("torch.optim:Adamw", "here: reference: module 'torch.optim' has no 'Adamw'"),
    ],
)
def test_a_mistake_in_a_reference_is_a_sentence(reference, sentence):
    with pytest.raises(OptbenchError) as error:
        loaded(reference, hyperparameters={"epsilon": 1e-6})
    assert str(error.value).startswith(sentence)


class Strict(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        if lr <= 0:
            raise ValueError("lr must be positive")
        super().__init__(params, lr=lr)


class Bounded(torch.optim.SGD):
    """Takes fractions up to a limit."""

    limit = 1.0

    def __init__(self, params, lr=0.1, momentum=0.9, shares=(0.5, 0.0)):
        if not all(0 <= one < self.limit for one in (momentum, *shares)):
            raise ValueError("not a fraction")
        super().__init__(params, lr=lr)


class Wider(Bounded):
    limit = 1.1


class Closed(Bounded):
    def __init__(self, params, lr=0.1, momentum=0.9, shares=(0.5, 0.0)):
        if shares[1] <= 0 and shares != (0.5, 0.0):
            raise ValueError("not positive")
        super().__init__(params, lr, momentum, shares)


class Boundless(Bounded):
    limit = 100.0


@pytest.mark.parametrize(
    ("optimizer", "reference", "scenario", "sentence"),
    [
        (Strict, torch.optim.SGD, "refused_zeros", "lr=0.0 is accepted by torch.optim.sgd:SGD and refused by it"),
        (
            Closed,
            Bounded,
            "refused_zeros",
            "shares=(0.0, 0.0) is accepted by test_check_parity:Bounded and refused by it",
        ),
        (Wider, Bounded, "refused_limits", "momentum=1.0 is accepted by it and refused by test_check_parity:Bounded"),
        (Bounded, Wider, "refused_limits", "momentum=1.0 is accepted by test_check_parity:Wider and refused by it"),
        (Boundless, Bounded, "refused_limits", "it held"),
    ],
)
def test_a_limit_of_only_one_of_them_is_named(optimizer, reference, scenario, sentence):
    made = Recipe(name="Made", optimizer=optimizer, where="here", reference=Reference(reference))
    (case,) = [one for one in plan(made, declared(made)) if one.name == f"default::parity::{scenario}"]
    assert failures([case]).get(f"parity::{scenario}", "it held") == sentence


class Inverts(torch.optim.Optimizer):
    """Steps through the inverse of a matrix that is nearly singular, written in one way."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def inverse(self, matrix):
        return torch.linalg.inv(matrix)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = p.grad.reshape(p.shape[0] if p.ndim else 1, -1)
                    matrix = g @ g.T + 1e-9 * g.norm().square() * torch.eye(len(g), dtype=g.dtype)
                    p.sub_((self.inverse(matrix) @ g).reshape(p.shape), alpha=group["lr"] * 1e-6)
        return loss


class InvertsOtherwise(Inverts):
    def inverse(self, matrix):
        return torch.linalg.inv(matrix.flip(0, 1)).flip(0, 1)


class InvertsAlmost(InvertsOtherwise):
    def inverse(self, matrix):
        return super().inverse(matrix) * (1 + 1e-3)


def test_where_the_reference_itself_sways_a_rewrite_may_and_a_slip_may_not():
    quadratic = {"quadratic", "groups"}

    def said(optimizer):
        cases = [case for case in cases_of(optimizer, Inverts) if case.part in quadratic]
        return set(failures(cases))

    assert said(InvertsOtherwise) == set()
    assert said(InvertsAlmost) == {"parity::quadratic", "parity::groups"}


def test_that_it_sways_is_what_makes_the_difference(monkeypatch):
    monkeypatch.setattr(counterpart, "_MOST", 1.0)
    cases = [case for case in cases_of(InvertsOtherwise, Inverts) if case.part in {"quadratic", "groups"}]
    assert failures(cases)
