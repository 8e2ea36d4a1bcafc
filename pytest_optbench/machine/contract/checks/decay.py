"""Decay: weight decay does what its mode says, on every shape, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import ContractBroken, require, require_close, require_equal, same
from pytest_optbench.machine.contract.check import all_of, check, claims, offers
from pytest_optbench.machine.contract.subject import SHAPE_OF, Subject
from pytest_optbench.machine.contract.walk import Gradient, Script, Walk

RTOL = {torch.float32: 1e-5, torch.float64: 1e-10}
ATOL = {torch.float32: 2e-6, torch.float64: 1e-13}
"""About four roundings of a parameter of size 4, which all the differences here are made of."""
SHRINKAGE = 0.25
"""Of one step, where the learning rate takes part: so large that the order of decay and step shows, and exact in every
dtype."""
IN_FLOAT32 = 2.0**-22
"""What three steps may be off by where the factor of a decay is computed in float32: 2^-24 each, and a spare one."""


@check(
    applies=all_of(offers("weight_decay"), claims("weight_decay")),
    relaxed=("uses_param_values", "moves_on_zero_grad", "couples_params", "one_group", "not_per_group"),
)
def weight_decay(subject: Subject) -> None:
    """Weight decay is what is declared: decoupled from the gradient, added to it, or without effect.

    Prevents: decay added to the gradient of an adaptive method, decay applied twice or with the wrong sign under
    maximize, decay that ignores the learning rate or squares it, biases or scalars left out, a decay that a group has
    switched off and that is applied to it all the same. Criterion, on a parameter of each number of dimensions that is
    accepted, with maximize off and on:
    - decoupled: along zero gradients p is p0 (1 - lr wd)^t for t = 1, 2, 3, and after the first ordinary step
      p1 = p0 (1 - lr wd) + (the step without decay); wd is chosen so that lr wd = 0.25 where that is accepted, and 1.
      decoupled_after: p1 = (p0 + the step without decay)(1 - lr wd). decoupled_lr_free: 1 - wd, before the step.
    - l2: 4 steps with wd = 0.1, and with 1, are 4 steps without decay whose gradient has wd p added to it (after the
      gradient is negated, under maximize: decay always shrinks).
    - none: 10 steps with and without decay are equal to the bit. other: they differ.
    Unless decay has no effect, the parameters of a group with weight_decay=0 beside one with decay move as in an
    optimizer without decay, to the bit (not under `one_group`, `couples_params`, or with weight_decay in
    `not_per_group`). Tolerance: rtol 1e-5 and atol 2e-6 in float32, 1e-10 and 1e-13 in float64: a few roundings of the
    parameter, as both sides do the same arithmetic in another order; with a decoupled wd of 1, where 1 - lr wd has no
    short form, at least 2^-22, for such factors may be kept in float32. Under `uses_param_values` and
    `moves_on_zero_grad` the part that would not be true is left out. Exemption: none; the mode is the claim
    `weight_decay`.
    """
    mode = str(subject.claims["weight_decay"])
    flips: list[dict[str, Any]] = [{}]
    if subject.offers("maximize"):
        flips = [{"maximize": value} for value in (False, True) if subject.buildable(maximize=value)] or [{}]
    for flip in flips:
        if mode == "l2":
            for decay in (0.1, 1.0):
                _coupled(subject, flip, decay)
        elif mode in ("none", "other"):
            _has_effect(subject, flip, expected=mode == "other")
        else:
            _decoupled(subject, mode, flip)
    if mode != "none":
        _excluded_group(subject)


def _unclaimed(subject: Subject) -> bool:
    return "weight_decay" not in {**subject.recipe.claims, **subject.claims}


@check(once=True, applies=all_of(offers("weight_decay"), _unclaimed), exempt=("uses_param_values", "stochastic"))
def weight_decay_form(subject: Subject) -> None:
    """Weight decay of which nothing is claimed has one of the known forms, the same on every shape.

    Prevents: a decay that leaves out vectors or scalars in silence, that grows with the number of steps or with the
    shape, that is applied to some groups only. Criterion: under one of `decoupled`, `decoupled_after`,
    `decoupled_lr_free`, `l2` and `none` the check `weight_decay` holds in float32, as it is the form that counts, not
    its last digits. Tolerance: that check's. Exemptions: a claim `weight_decay`, which may be `other`;
    `uses_param_values`, under which steps and decay cannot be told apart; `stochastic`.
    """
    said: dict[str, str] = {}
    for mode in ("decoupled", "l2", "none", "decoupled_after", "decoupled_lr_free"):
        recipe = replace(subject.recipe, claims={**subject.recipe.claims, subject.configuration: _own(subject, mode)})
        try:
            weight_decay.test(replace(subject, recipe=recipe))
        except Exception as error:
            said[mode] = str(error).partition(";")[0]
        else:
            return
    raise ContractBroken(
        f"weight decay has no form that is known; if it were decoupled: {said['decoupled']}; if it were added to the "
        f'gradient: {said["l2"]}; where that is meant, claim weight_decay = "other"'
    )


def _own(subject: Subject, mode: str) -> dict[str, Any]:
    """The claims of the subject's configuration, with that of a decay."""
    own = subject.recipe.claims.get(subject.configuration)
    return {**(own if isinstance(own, Mapping) else {}), "weight_decay": mode}


def _walk(subject: Subject, decay: float, flip: dict[str, Any], gradient: Gradient) -> Walk:
    shapes = [SHAPE_OF[ndim] for ndim in sorted(subject.declared.dimensions)]
    options = {"weight_decay": decay, **flip}
    return Walk(subject, shapes=shapes, gradient=gradient, options=options)


def _decoupled(subject: Subject, mode: str, flip: dict[str, Any]) -> None:
    lr = 1.0 if mode == "decoupled_lr_free" else float(subject.lr or 0.0)
    decay = 0.1
    if lr and subject.buildable(weight_decay=SHRINKAGE / lr):
        decay = SHRINKAGE / lr
    _shrinks(subject, mode, flip, lr, decay, rtol=RTOL[subject.dtype], atol=ATOL[subject.dtype])
    if lr and decay != 1.0 and subject.buildable(weight_decay=1.0):
        rtol, atol = (max(one[subject.dtype], size * IN_FLOAT32) for one, size in ((RTOL, 1), (ATOL, 4)))
        _shrinks(subject, mode, flip, lr, 1.0, rtol=rtol, atol=atol)


def _shrinks(
    subject: Subject, mode: str, flip: dict[str, Any], lr: float, decay: float, *, rtol: float, atol: float
) -> None:
    kept = 1 - lr * decay
    setting = f"weight_decay={decay:g}" + "".join(f", {name}={value}" for name, value in flip.items())
    plain = Script(subject.seed, slope=0.0)
    if not subject.claimed("moves_on_zero_grad"):
        walk = _started(subject, decay, flip, lambda t, index, p: 0 * p)
        start = walk.values()
        for t in (1, 2, 3):
            walk.step()
            when = f"with {setting}, after step {t} along zero gradients, where p0 (1 - {lr:g} * {decay:g})^{t} is due"
            require_close(walk.values(), [value * kept**t for value in start], rtol=rtol, atol=atol, when=when)
    if not subject.claimed("uses_param_values"):
        without = _started(subject, 0.0, flip, plain)
        moves = [-value.to(torch.float64) for value in without.values()]
        without.step()
        moves = [move + value for move, value in zip(moves, without.values(), strict=True)]
        walk = _started(subject, decay, flip, plain)
        start = walk.values()
        walk.step()
        due = [_due(value, move, kept, mode) for value, move in zip(start, moves, strict=True)]
        formula = "(p0 + step)(1 - lr wd)" if mode == "decoupled_after" else "p0 (1 - lr wd) + step"
        when = f"with {setting}, after the first step, where {formula} is due"
        require_close(walk.values(), due, rtol=rtol, atol=atol, when=when)


def _started(subject: Subject, decay: float, flip: dict[str, Any], gradient: Gradient) -> Walk:
    return _walk(subject, decay, flip, gradient).take(int(subject.claimed("first_step_init")))


def _due(value: Tensor, move: Tensor, kept: float, mode: str) -> Tensor:
    before = value.to(torch.float64)
    return ((before + move) * kept if mode == "decoupled_after" else before * kept + move).to(value.dtype)


def _coupled(subject: Subject, flip: dict[str, Any], decay: float) -> None:
    sign = -1.0 if flip.get("maximize", subject.option("maximize")) else 1.0
    plain = Script(subject.seed)

    def with_decay(t: int, index: int, p: Tensor) -> Tensor | None:
        gradient = plain(t, index, p)
        return None if gradient is None else gradient.add(p, alpha=sign * decay)

    walk = _walk(subject, decay, flip, plain)
    other = _walk(subject, 0.0, flip, with_decay)
    setting = "".join(f", {name}={value}" for name, value in flip.items())
    for t in range(1, 5):
        walk.step()
        other.step()
        when = f"with weight_decay={decay:g}{setting}, after step {t}, where that of a gradient with "
        when += f"{decay:g} p added is due"
        require_close(walk.values(), other.values(), rtol=RTOL[subject.dtype], atol=ATOL[subject.dtype], when=when)


def _has_effect(subject: Subject, flip: dict[str, Any], *, expected: bool) -> None:
    gradient = Script(subject.seed)
    walk, other = (_walk(subject, decay, flip, gradient).take(10) for decay in (0.1, 0.0))
    if not expected:
        require_equal(walk.values(), other.values(), when="after 10 steps with weight_decay=0.1 and with 0")
        return
    for index, (mine, theirs) in enumerate(zip(walk.values(), other.values(), strict=True)):
        require(
            not same(mine, theirs),
            f"weight_decay=0.1 has no effect on tensor {index} {tuple(mine.shape)}: after 10 steps it is as with 0",
        )


def _excluded_group(subject: Subject) -> None:
    """A group with weight_decay=0 beside one with decay."""
    fixed = "weight_decay" in subject.claims.get("not_per_group", ())
    if subject.claimed("one_group") or subject.claimed("couples_params") or fixed:
        return
    shapes = [shape for shape in subject.shapes[:1] for _ in range(2)]
    groups = [([0], {"weight_decay": 0.1}), ([1], {"weight_decay": 0.0})]
    walk = Walk(subject, shapes=shapes, groups=groups).take(3)
    other = Walk(subject, shapes=shapes, options={"weight_decay": 0.0}).take(3)
    when = "after 3 steps in a group with weight_decay=0 beside one with 0.1, against an optimizer without decay: "
    require_equal(walk.values()[1:], other.values()[1:], when=when.removesuffix(": "))
