"""Hints: what holds and is not claimed is offered, and nothing else."""

from __future__ import annotations

import tomllib

import lion_pytorch
import pytest
import schedulefree
import torch
from moves import optimizer_of
from verdicts import recipe_of, subject_of

from pytest_optbench.machine.contract.excuses import Excuses, excuses
from pytest_optbench.machine.contract.hints import CHARACTERISTIC, hints, observed
from pytest_optbench.machine.contract.profile import profile
from pytest_optbench.words.claims import CHECKS, FAMILIES, validate_claims


def test_every_family_can_be_offered():
    assert set(CHARACTERISTIC) == set(FAMILIES)
    assert set(CHARACTERISTIC.values()) <= set(CHECKS)


@pytest.mark.parametrize(
    ("optimizer", "family"),
    [
        (torch.optim.Adam, "adam_like"),
        (torch.optim.SGD, "sgd_like"),
        (torch.optim.Adagrad, "adagrad_like"),
        (torch.optim.Muon, "matrix_orthogonal"),
        (torch.optim.Adafactor, "adafactor_like"),
        (torch.optim.RMSprop, "rmsprop_like"),
        (torch.optim.RAdam, "radam_like"),
        (torch.optim.NAdam, "nadam_like"),
        (lion_pytorch.Lion, "lion_like"),
        (schedulefree.SGDScheduleFree, "schedule_free"),
        (torch.optim.Adadelta, None),
        (torch.optim.LBFGS, None),
    ],
)
def test_the_family_is_seen(optimizer, family):
    assert observed(subject_of(optimizer)).get("family") == family


def test_a_family_is_offered_with_the_claim_that_it_needs():
    first, second = hints(subject_of(torch.optim.Muon, claims={"weight_decay": "decoupled", "scale": "invariant"}))
    assert first == 'behaves like matrix_orthogonal: claim family = "matrix_orthogonal" to have it checked'
    assert second == (
        "shows steps of matrices in a lower precision: claims = { low_precision_step = true } to have it checked"
    )


def test_the_sentences_can_be_pasted():
    first, second = hints(subject_of(torch.optim.Adagrad, claims={"weight_decay": "l2"}))
    assert first == 'behaves like adagrad_like: claim family = "adagrad_like" to have it checked'
    assert second == (
        "shows independent entries, steps that are invariant in the scale of the gradients: "
        'claims = { elementwise = true, scale = "invariant" } to have it checked'
    )


def test_what_is_claimed_is_not_offered():
    claims = {"weight_decay": "decoupled", "elementwise": False, "scale": "invariant"}
    assert hints(subject_of(torch.optim.AdamW, family="adam_like", claims=claims)) == []
    assert "family" not in observed(subject_of(torch.optim.AdamW, claims={"family": ""}))


def test_an_optimizer_that_raises_has_no_hints():
    class Broken(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("broken")

    assert hints(subject_of(Broken)) == []


@pytest.mark.parametrize(
    ("path", "hyperparameters", "expected"),
    [
        ("AdamW", {"lr": 0.1}, {"elementwise": True}),
        ("Muon", {}, {"no_ndim": [0, 1, 3, 4], "no_complex": True}),
        ("LBFGS", {}, {"needs_closure": True, "multi_closure": True, "one_group": True}),
        ("SparseAdam", {}, {"sparse_only": True, "no_complex": True}),
    ],
)
def test_a_profile_is_a_table_of_true_claims(path, hyperparameters, expected, monkeypatch):
    # Without the whole contract, which takes seconds.
    monkeypatch.setattr(
        "pytest_optbench.machine.contract.profile.excuses", lambda seen: Excuses(seen.recipe.claims, {}, {})
    )
    text = profile(recipe_of(getattr(torch.optim, path), **hyperparameters), path=f"torch.optim:{path}")
    table = tomllib.loads(text)["tool"]["optbench"]["optimizers"]["it"]
    assert table["class"] == f"torch.optim:{path}"
    assert table.get("hyperparameters", {}) == hyperparameters
    assert table["claims"].items() >= expected.items()
    validate_claims(table["claims"], where="here")


def test_a_profile_ends_with_the_claims_without_which_the_contract_fails():
    text = profile(recipe_of(torch.optim.SGD), path="torch.optim:SGD")
    claims = tomllib.loads(text)["tool"]["optbench"]["optimizers"]["it"]["claims"]
    assert claims == {"elementwise": True, "scale": "linear", "dead_ok": ["dampening"]}
    assert "Without the claim, hyperparameters_are_live::dampening: dampening has no effect" in " ".join(
        text.replace("#", "").split()
    )


def shortened(p, g, state, group):
    p.sub_(g, alpha=group["lr"] * (1 - 0.5 ** group["steps"]))


def spoiling(p, g, state, group):
    shortened(p, g.mul_(2), state, group)


def counting_for_all(move):
    """One counter for a whole group, by which the first steps are shortened."""

    class Counts(optimizer_of(move)):
        def step(self, closure=None):
            for group in self.param_groups:
                group["steps"] = group.get("steps", 0) + 1
            return super().step(closure)

    return lambda params, lr=0.1: Counts(params, lr=lr)


@pytest.mark.parametrize(("move", "defects"), [(shortened, set()), (spoiling, {"gradient_untouched"})])
def test_the_narrowest_claim_is_taken_and_a_defect_is_said(move, defects):
    found = excuses(subject_of(counting_for_all(move)))
    assert found.claims == {"global_step": True}
    assert found.reasons["global_step"].startswith("late_gradient::float32: ")
    assert {name.split("::")[1] for name in found.failures} - {"bad_values_rejected"} == defects
