"""Hints: what an optimizer seems to be and does not claim, found out by the checks that a claim would turn on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from pytest_optbench.machine.contract.check import Check
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.words.claims import validate_claims
from pytest_optbench.words.errors import OptbenchError

CHARACTERISTIC: Mapping[str, str] = {
    "lion_like": "lion_momentum_after_step",
    "sign_like": "sign_step_is_lr",
    "adam_like": "adam_impulse_response",
    "radam_like": "radam_impulse_response",
    "nadam_like": "nadam_impulse_response",
    "adagrad_like": "adagrad_never_forgets",
    "rmsprop_like": "rmsprop_forgets_at_alpha",
    "sgd_like": "sgd_rotation",
    "schedule_free": "schedule_free_average",
    "parameter_free": "estimate_never_decreases",
    "kronecker_preconditioned": "kronecker_refresh_interval",
    "matrix_orthogonal": "orthogonal_update",
    "adafactor_like": "adafactor_second_moment",
    "scale_adaptive": "scale_reparametrization",
}
"""Every family with the check without which it is not offered, the narrower before the wider: Lion is a method of signs
too, and along a constant gradient the steps of Shampoo are orthogonal."""

_OTHERS: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("weight_decay", ("decoupled", "decoupled_after", "decoupled_lr_free", "l2"), "weight_decay"),
    ("elementwise", (True,), "elementwise"),
    ("scale", ("invariant", "linear"), "gradient_scale"),
)
"""A claim, the values to try, and the check of it."""

_EXCUSES: Mapping[str, Mapping[str, Any]] = {"matrix_orthogonal": {"low_precision_step": True}}
"""Claims that most members of a family need beside it."""

_WORDS = {
    "low_precision_step": "steps of matrices in a lower precision",
    "weight_decay": "{} weight decay",
    "elementwise": "independent entries",
    "scale": "steps that are {} in the scale of the gradients",
}


def hints(subject: Subject) -> list[str]:
    """Sentences about what the configuration could claim, and does not; none where everything is claimed or nothing
    holds."""
    seen = observed(subject)
    family = seen.pop("family", "")
    sentences = [f'behaves like {family}: claim family = "{family}" to have it checked'] if family else []
    if seen:
        what = ", ".join(_WORDS[name].format(value) for name, value in seen.items())
        sentences.append(f"shows {what}: claims = {toml(seen)} to have it checked")
    return sentences


def observed(subject: Subject) -> dict[str, Any]:
    """What is not claimed, and held: of `family`, `weight_decay`, `elementwise` and `scale`. Takes steps.

    Nothing is said of what needs a closure: scripted gradients that do not follow the place mislead a line search.
    """
    found: dict[str, Any] = {}
    if subject.capabilities.needs_closure:
        return found
    if not subject.family and "family" not in subject.claims:
        found |= _family(subject)
    for claim, values, check in _OTHERS:
        if claim in subject.claims or check not in CHECKS:
            continue
        holding = [
            value
            for value in values
            if _known(claim, value) and _holds(_claiming(subject, **{claim: value}), [CHECKS[check]])
        ]
        if len(holding) == 1:
            found[claim] = holding[0]
    return found


def toml(value: Any) -> str:
    """A claim or a table of claims as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def _known(claim: str, value: Any) -> bool:
    """Is it in the vocabulary?"""
    with suppress(OptbenchError):
        validate_claims({claim: value}, where="")
        return True
    return False


def _family(subject: Subject) -> dict[str, Any]:
    """The first family all of whose checks hold, as a claim, with the excuse that it may need; empty for none."""
    bare = {name for name, check in CHECKS.items() if _applies(check, subject)}
    for family, characteristic in CHARACTERISTIC.items():
        for excuse in ({}, _EXCUSES[family]) if family in _EXCUSES else ({},):
            claims = {"family": family, **excuse}
            claiming = _claiming(subject, **claims)
            added = [name for name, check in CHECKS.items() if name not in bare and _applies(check, claiming)]
            if characteristic in added:
                first = sorted(added, key=lambda name: name != characteristic)
                if _holds(claiming, [CHECKS[name] for name in first if name != "claim_is_needed"]):
                    return claims
    return {}


def _claiming(subject: Subject, **claims: Any) -> Subject:
    """The subject, had its recipe made these claims."""
    recipe = replace(subject.recipe, claims={**subject.recipe.claims, **claims})
    return replace(subject, recipe=recipe)


def _applies(check: Check, subject: Subject) -> bool:
    return not check.extra and bool(check.parts(subject))


def _holds(subject: Subject, checks: list[Check]) -> bool:
    """Does every one of the checks apply, and hold in all of its parts? An optimizer that raises does not hold."""
    for check in checks:
        try:
            with isolated(), torch.enable_grad():
                parts = check.parts(subject)
                for part in parts:
                    check.run(subject, part)
        except Exception:
            return False
        if not parts:
            return False
    return True
