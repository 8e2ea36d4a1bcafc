"""Making fingerprints: another rounding leaves no trace, every slip does."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.machine.contract.fingerprint import fingerprint
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.words.fingerprint import STEPS, Fingerprint, difference


def fingerprint_of(optimizer, configuration="default", seed=0, **keywords) -> Fingerprint:
    recipe = Recipe(name="Mine", optimizer=optimizer, where="here", **keywords)
    return fingerprint(Subject(recipe, declared(recipe), configuration=configuration, seed=seed))


class Written(torch.optim.Optimizer):
    """Adam with decoupled decay, by formulas that a test replaces one by one."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def first(self, m, g, beta):
        return beta * m + (1 - beta) * g

    def second(self, v, g, beta):
        return beta * v + (1 - beta) * g * g

    def root(self, v, beta, t, eps):
        return v.sqrt() / math.sqrt(1 - beta**t) + eps

    def update(self, p, m, root, lr, decay, beta, t):
        p.mul_(1 - lr * decay)
        p.addcdiv_(m, root, value=-lr / (1 - beta**t))

    def grad(self, p):
        return p.grad

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if (g := self.grad(p)) is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                one, two = group["betas"]
                state["m"], state["v"] = self.first(state["m"], g, one), self.second(state["v"], g, two)
                root = self.root(state["v"], two, state["t"], group["eps"])
                self.update(p, state["m"], root, group["lr"], group["weight_decay"], one, state["t"])


def with_(**formulas) -> type[Written]:
    return type("Changed", (Written,), formulas)


def one_subtraction(self, p, m, root, lr, decay, beta, t):
    p.copy_(p - lr * decay * p - lr * (m / (1 - beta**t) / root))


REWRITES = {
    "lerp": with_(first=lambda self, m, g, beta: m.lerp(g, 1 - beta)),
    "square": with_(second=lambda self, v, g, beta: v + (1 - beta) * (g.square() - v)),
    "root": with_(root=lambda self, v, beta, t, eps: (v / (1 - beta**t)).sqrt() + eps),
    "update": with_(update=one_subtraction),
    "power": with_(root=lambda self, v, beta, t, eps: v**0.5 / (1 - math.exp(t * math.log(beta))) ** 0.5 + eps),
}


@pytest.mark.parametrize("name", REWRITES)
def test_another_rounding_is_no_difference(name):
    assert difference(fingerprint_of(REWRITES[name]), fingerprint_of(Written)) == ""


def coupled(self, p, m, root, lr, decay, beta, t):
    p.addcdiv_(m, root, value=-lr / (1 - beta**t)).mul_(1 - lr * decay)


def zero_if_missing(self, p):
    return torch.zeros_like(p) if p.grad is None else p.grad


SLIPS = {
    "constant": (with_(first=lambda self, m, g, beta: beta * m + (1 - beta) * g * (1 + 1e-6)), "in step 1, the norm"),
    "eps inside": (with_(root=lambda self, v, beta, t, eps: (v / (1 - beta**t) + eps**2).sqrt()), "in step 1"),
    "eps": (with_(root=lambda self, v, beta, t, eps: v.sqrt() / math.sqrt(1 - beta**t)), "in step 1"),
    "decay after the step": (with_(update=coupled), "in step 1"),
    "missing is zero": (with_(grad=zero_if_missing), "in step 1, with no gradient, the norm of tensor 4 (4x4)"),
    "missing is zero later": (
        with_(grad=lambda self, p: zero_if_missing(self, p) if p in self.state else p.grad),
        "in step 8, with a missing gradient, the norm of tensor 0 (7x3)",
    ),
    "zero is missing": (
        with_(grad=lambda self, p: p.grad if p.grad is not None and p.grad.any() else None),
        "in step 1, with a zero gradient, the norm of tensor 3 (2x3x2x2)",
    ),
    "lr is kept": (
        with_(
            update=lambda self, p, m, root, lr, decay, beta, t: Written.update(
                self, p, m, root, self.state[p].setdefault("lr", lr), decay, beta, t
            )
        ),
        "in step 13, where the learning rate becomes 0.3 of its first value",
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_a_difference_and_the_event_is_told(name):
    optimizer, words = SLIPS[name]
    assert difference(fingerprint_of(optimizer), fingerprint_of(Written)).startswith(words)


@pytest.mark.parametrize(
    "change", [{"lr": 1.01e-3}, {"betas": (0.9, 0.99901)}, {"eps": 1.1e-8}, {"weight_decay": 0.0101}]
)
def test_every_hyperparameter_shows(change):
    found = fingerprint_of(Written, hyperparameters=change)
    assert difference(found, fingerprint_of(Written))


@pytest.mark.parametrize("name", ["betas", "eps", "weight_decay"])
def test_an_option_of_a_group_that_is_not_honoured_shows(name):
    class Deaf(Written):
        def __init__(self, params, **options):
            super().__init__(params, **options)
            for group in self.param_groups:
                group[name] = self.defaults[name]

    assert "tensor 2 (6)" in difference(fingerprint_of(Deaf), fingerprint_of(Written))


def test_it_depends_on_the_optimizer_alone():
    found = fingerprint_of(Written)
    torch.manual_seed(7)
    assert fingerprint_of(Written, seed=3) == found
    assert found.tensors == ("7x3", "3x7", "6", "2x3x2x2", "4x4")
    assert len(found.steps) == STEPS
    assert found.tolerances == (1e-7,) * 5
    assert found.steps[0][4] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("optimizer", "keywords", "tensors"),
    [
        (torch.optim.Muon, {}, ("7x3", "3x7", "2x5", "5x2", "4x4")),
        (torch.optim.SparseAdam, {"claims": {"sparse_only": True}}, ("7x3", "3x7", "6", "2x3x2x2", "4x4")),
        (torch.optim.Adam, {"claims": {"no_fp64": True}}, ("7x3", "3x7", "6", "2x3x2x2", "4x4")),
    ],
)
def test_shapes_and_precision_are_those_that_are_accepted(optimizer, keywords, tensors):
    found = fingerprint_of(optimizer, **keywords)
    assert found.tensors == tensors
    assert difference(fingerprint_of(optimizer, **keywords), found) == ""


def test_a_configuration_has_a_fingerprint_of_its_own_and_an_implementation_does_not():
    keywords = {"configurations": {"amsgrad": {"amsgrad": True}, "foreach": {"foreach": True}}}
    plain, amsgrad, foreach = (
        fingerprint_of(torch.optim.AdamW, name, **keywords) for name in ("default", "amsgrad", "foreach")
    )
    assert difference(amsgrad, plain)
    assert difference(foreach, plain) == ""


def test_low_precision_inside_widens_the_tolerance_and_says_so():
    rounded = with_(first=lambda self, m, g, beta: (beta * m + (1 - beta) * g).float().double())
    kept = with_(second=lambda self, v, g, beta: (beta * v + (1 - beta) * g * g).bfloat16())
    assert all(1e-7 < one <= 2e-6 for one in fingerprint_of(rounded).tolerances)
    assert all(1e-3 < one <= 0.1 for one in fingerprint_of(kept).tolerances)


def test_what_eval_changes_is_part_of_it():
    class Averaged(torch.optim.SGD):
        scale = 0.5

        def train(self):
            pass

        def eval(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.mul_(self.scale)

    other = type("Other", (Averaged,), {"scale": 0.25})
    assert len(fingerprint_of(Averaged).steps) == STEPS + 1
    assert difference(fingerprint_of(other), fingerprint_of(Averaged)).startswith("in what eval() changes")


def test_an_optimizer_that_refuses_options_per_group_is_played_without():
    class Alike(torch.optim.SGD):
        def step(self, closure=None):
            if len({group["lr"] for group in self.param_groups}) > 1:
                raise RuntimeError("one learning rate")
            return super().step(closure)

    assert difference(fingerprint_of(Alike), fingerprint_of(torch.optim.SGD))
    assert fingerprint_of(Alike, claims={"one_group": True}).tolerances == (1e-7,) * 5


def test_an_exception_of_the_optimizer_comes_out():
    class Fails(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("never")

    with pytest.raises(RuntimeError, match="never"):
        fingerprint_of(Fails)


def test_options_with_which_it_diverges_are_not_played():
    class Explodes(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(1e200 if group["momentum"] else 1)

    found = fingerprint_of(Explodes)
    assert all(number is not None for step in found.steps for one in step for number in one)
    assert found.tolerances == (1e-7,) * 5
    assert max(found.floors) < 1e-10


def test_a_limit_of_the_constructor_that_moves_is_seen():
    class Strict(Written):
        def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
            if eps <= 0 or not 0 <= betas[1] < 1:
                raise ValueError("no")
            super().__init__(params, lr, betas, eps, weight_decay)

    found = fingerprint_of(Strict)
    assert found.refused["eps"] == (-1.0, 0.0)
    assert found.refused["betas.1"] == (-1.0, 1.0, 1.05, 2.0)
    assert difference(found, fingerprint_of(Written)) == "refuses betas.1=-1, which the stored one takes"
