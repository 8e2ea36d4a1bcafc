"""A profile: the table of an optimizer as its author could write it, filled in with what steps on toy problems show."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from pytest_optbench.machine.contract.excuses import excuses
from pytest_optbench.machine.contract.hints import observed, toml
from pytest_optbench.machine.contract.plan import require_lr
from pytest_optbench.machine.contract.subject import SHAPE_OF, Subject
from pytest_optbench.machine.contract.walk import Walk, normal
from pytest_optbench.machine.determinism import RandomState, isolated
from pytest_optbench.machine.recipe import ANY_DIMENSIONS, Recipe, declared, probed
from pytest_optbench.words.claims import CLAIMS


def profile(recipe: Recipe, *, path: str) -> str:
    """The table `[tool.optbench.optimizers.<name>]` of a recipe, to be pasted; `path` is the class as module:name.

    Every claim in it was seen: what raises, what draws random numbers, which family's checks all hold. Those without
    which a check fails come last, with the failure: it is for the author to say that it is meant. What fails whatever
    is claimed is said in comments at the end.
    """
    require_lr(recipe)
    subject = Subject(recipe, declared(recipe))
    lines = [f"[tool.optbench.optimizers.{recipe.name}]", f"class = {toml(path)}"]
    if recipe.hyperparameters:
        lines.append(f"hyperparameters = {toml(recipe.hyperparameters)}")
    claims: dict[str, Any] = _needs(subject)
    claims |= _refusals(_claiming(subject, claims))
    seen = observed(_claiming(subject, claims))
    family = seen.pop("family", "")
    if family:
        lines.append(f"family = {toml(family)}")
    claims |= seen
    claiming = _claiming(subject, claims)
    found = excuses(replace(claiming, recipe=replace(claiming.recipe, family=family or recipe.family)))
    if found.claims:
        lines += ["", f"[tool.optbench.optimizers.{recipe.name}.claims]"]
        lines += [f"{claim} = {toml(value)}" for claim, value in found.claims.items() if claim not in found.reasons]
        for claim, reason in found.reasons.items():
            lines += [*_comment(f"is it meant: {CLAIMS[claim][1]}? Without the claim, {reason}")]
            lines.append(f"{claim} = {toml(found.claims[claim])}")
    if found.failures:
        lines += ["", *_comment("whatever is claimed, the contract fails:")]
        lines += [line for name, said in found.failures.items() for line in _comment(f"{name}: {said}")]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


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
        if _evaluations(subject) > 1:
            needs["multi_closure"] = True
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
    """Steps of a tensor of the shape, beside one with entries."""
    shapes = (_shape(subject), shape)
    start = [normal(subject.seed, "start", 0, shape=one).to(subject.dtype) for one in shapes]
    gradients = [normal(subject.seed, "gradient", shape=one).to(subject.dtype) for one in shapes]
    Walk(subject, start=start, gradient=lambda t, index, parameter: gradients[index].clone()).take(3)


def _groups(subject: Subject) -> None:
    shape = _shape(subject)
    Walk(subject, shapes=[shape, shape], groups=[([0], {}), ([1], {})]).take(1)


def _evaluations(subject: Subject) -> int:
    """How often the first step calls its closure."""
    shape = _shape(subject)
    calls: list[int] = []

    def gradient(t: int, index: int, parameter: torch.Tensor) -> torch.Tensor:
        calls.append(t)
        return parameter.clone()

    _raises(lambda: Walk(subject, shapes=[shape], gradient=gradient).take(1))
    return len(calls)


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
