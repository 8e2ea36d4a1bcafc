"""A profile: the table of an optimizer as its author could write it, filled in with what steps on toy problems show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from pytest_optbench.machine.contract.hints import observed, toml
from pytest_optbench.machine.contract.plan import require_lr
from pytest_optbench.machine.contract.subject import SHAPE_OF, Subject
from pytest_optbench.machine.contract.walk import Walk, normal
from pytest_optbench.machine.determinism import RandomState, isolated
from pytest_optbench.machine.recipe import ANY_DIMENSIONS, Recipe, declared, probed


def profile(recipe: Recipe, *, path: str) -> str:
    """The table `[tool.optbench.optimizers.<name>]` of a recipe, to be pasted; `path` is the class as module:name.

    Every claim in it was seen: what raises, what draws random numbers, which family's checks all hold.
    """
    require_lr(recipe)
    subject = Subject(recipe, declared(recipe))
    lines = [f"[tool.optbench.optimizers.{recipe.name}]", f"class = {toml(path)}"]
    if recipe.hyperparameters:
        lines.append(f"hyperparameters = {toml(recipe.hyperparameters)}")
    claims: dict[str, Any] = _needs(subject)
    claims |= _refusals(_claiming(subject, claims))
    seen = observed(_claiming(subject, claims))
    if family := seen.pop("family", ""):
        lines.append(f"family = {toml(family)}")
    claims |= seen
    if claims:
        lines.append(f"claims = {toml(claims)}")
    return "\n".join(lines) + "\n"


def _claiming(subject: Subject, claims: Mapping[str, Any]) -> Subject:
    return replace(subject, recipe=replace(subject.recipe, claims={**claims, **subject.recipe.claims}))


def _needs(subject: Subject) -> dict[str, Any]:
    """What it needs: a closure, two modes, some numbers of dimensions, sparse gradients, random numbers."""
    needs: dict[str, Any] = {}
    sparse = _claiming(subject, {"sparse_only": True})
    if _raises(lambda: _steps(subject, _shape(subject))) and not _raises(lambda: _steps(sparse, _shape(subject))):
        needs["sparse_only"], subject = True, sparse
    capabilities = probed(subject.recipe, subject.declared)
    refused = sorted(ANY_DIMENSIONS - capabilities.dimensions)
    if capabilities.needs_closure and not needs:
        needs["needs_closure"] = True
    if capabilities.train_eval:
        needs["train_eval"] = True
    if refused:
        needs["no_ndim"] = refused
    if _draws(subject):
        needs["stochastic"] = True
    return needs


def _refusals(subject: Subject) -> dict[str, bool]:
    """The claims about what raises, of those that do."""
    trials: Mapping[str, Callable[[], Any]] = {
        "no_complex": lambda: _steps(subject.in_dtype(torch.complex64), _shape(subject)),
        "no_bf16": lambda: _steps(subject.in_dtype(torch.bfloat16), _shape(subject)),
        "no_fp64": lambda: _steps(subject.in_dtype(torch.float64), _shape(subject)),
        "no_empty": lambda: _steps(subject, (0, *_shape(subject)[1:]) if _shape(subject) else (0,)),
        "one_group": lambda: _groups(subject),
    }
    return {claim: True for claim, trial in trials.items() if _raises(trial)}


def _raises(trial: Callable[[], Any]) -> bool:
    try:
        with isolated(), torch.enable_grad():
            trial()
    except Exception:
        return True
    return False


def _shape(subject: Subject) -> tuple[int, ...]:
    return SHAPE_OF[2 if subject.accepts(2) else min(subject.declared.dimensions)]


def _steps(subject: Subject, shape: tuple[int, ...]) -> None:
    start = normal(subject.seed, "start", 0, shape=shape).to(subject.dtype)
    gradient = normal(subject.seed, "gradient", shape=shape).to(subject.dtype)
    Walk(subject, start=[start, start], gradient=lambda t, index, parameter: gradient.clone()).take(3)


def _groups(subject: Subject) -> None:
    shape = _shape(subject)
    Walk(subject, shapes=[shape, shape], groups=[([0], {}), ([1], {})]).take(1)


def _draws(subject: Subject) -> bool:
    """Do steps move a global random generator?"""
    with isolated(), torch.enable_grad():
        try:
            walk = Walk(subject)
            before = RandomState.current()
            walk.take(3)
        except Exception:
            return False
        return not before.same(RandomState.current())
