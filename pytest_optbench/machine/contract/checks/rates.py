"""Rates: the learning rate is read at every step, and schedulers find and write what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR, StepLR

from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    require,
    require_close,
    require_equal,
    require_finite,
    same,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.families.closed_form import neutral
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk

_SCHEDULES: dict[str, Callable[[Optimizer, float], LRScheduler]] = {
    "LambdaLR": lambda optimizer, lr: LambdaLR(optimizer, lambda t: 1.0 / (1 + t)),
    "StepLR": lambda optimizer, lr: StepLR(optimizer, step_size=2, gamma=0.25),
    "CosineAnnealingLR": lambda optimizer, lr: CosineAnnealingLR(optimizer, T_max=5, eta_min=lr / 64),
    "OneCycleLR": lambda optimizer, lr: OneCycleLR(optimizer, max_lr=lr, total_steps=7, cycle_momentum=False),
    "OneCycleLR_momentum": lambda optimizer, lr: OneCycleLR(optimizer, max_lr=lr, total_steps=7, cycle_momentum=True),
}


_BEFORE = 8
"""Steps before the learning rate changes: enough to be out of a warm-up of a few."""


def _has_rate(subject: Subject) -> bool:
    return bool(subject.lr)


@check(applies=_has_rate, exempt=("lr_unused", "lr_nonlinear"))
def lr_read_each_step(subject: Subject) -> None:
    """The step follows the learning rate that stands in the group when it is taken.

    Prevents: a learning rate kept from the constructor in an attribute or in a compiled constant, under which every
    schedule is without effect. Criterion: after 8 equal steps of two walks, one with a tenth of the learning rate takes
    a step of a tenth, to a relative 1e-3 plus 4 units of rounding of the greatest value (each new value is rounded,
    once for decay and once for the update, in both walks). Exemptions: `lr_unused`, `lr_nonlinear`.
    """
    walk, twin = Walk(subject).take(_BEFORE), Walk(subject).take(_BEFORE)
    start = walk.values()
    walk.set(lr=float(walk.groups[0]["lr"]) * 0.1)
    walk.step()
    twin.step()
    for index, (old, found, whole) in enumerate(zip(start, walk.values(), twin.values(), strict=True)):
        most = max(old.abs().max().item(), whole.abs().max().item())
        require_close(
            [found - old],
            [0.1 * (whole - old)],
            rtol=1e-3,
            atol=4 * torch.finfo(subject.dtype).eps * most,
            when=f"of the motion in step {walk.t} at lr / 10, against a tenth of that at lr",
            indices=[index],
        )


_RATES = (1e-4, 1e-2, 1.0)


@check(applies=_has_rate, exempt=("lr_unused", "lr_nonlinear"))
def lr_proportional(subject: Subject) -> None:
    """The first step is in proportion to the learning rate, over four decades.

    Prevents: a learning rate that is clipped, floored or rounded in silence: a sweep then finds a plateau, and the best
    value is not the one that is written down. Criterion: the first step with learning rates of 1e-4, 1e-2 and 1 in the
    first group, and those of further groups in the same proportion, is as many times longer than with those of the
    configuration, weight decay off; the first that moves, under `first_step_init`. Tolerance: a relative 1e-3 and 4
    roundings of the largest value, as in lr_read_each_step. Exemptions: `lr_unused`, `lr_nonlinear`.
    """
    own = subject.lr or 0.0
    expected, most = _first_moves(subject, 1.0)
    for lr in _RATES:
        moves, size = _first_moves(subject, lr / own)
        atol = 4 * torch.finfo(subject.dtype).eps * max(most, size * own / lr)
        require_close(
            [move * own / lr for move in moves],
            expected,
            rtol=1e-3,
            atol=atol,
            when=f"of the motion in the first step at lr={lr:g}, times {own / lr:g}, against that at lr={own:g}",
        )


def _first_moves(subject: Subject, factor: float) -> tuple[list[Tensor], float]:
    """The moves of the first step that moves, with every learning rate multiplied by the factor, and the largest value
    before or after it."""
    walk = Walk(subject, gradient=Script(subject.seed, slope=0.0), options=neutral(subject))
    walk.take(int(subject.claimed("first_step_init")))
    for group in walk.groups:
        group["lr"] = float(group["lr"]) * factor
    before = walk.values()
    walk.step()
    after = walk.values()
    most = max(float(value.abs().max()) for value in (*before, *after) if value.numel())
    return [new - old for old, new in zip(before, after, strict=True)], most


def _schedules(subject: Subject) -> list[str]:
    if not _has_rate(subject):
        return []
    momenta = _steered(subject.sample.defaults) != ["lr"]
    return [name for name in _SCHEDULES if momenta or name != "OneCycleLR_momentum"]


def _steered(defaults: Mapping[str, Any]) -> list[str]:
    """The hyperparameters that a scheduler of torch writes into the groups: besides the learning rate momentum or
    betas, where these are numbers and stand in `defaults`, in which torch looks for them."""
    momentum = "betas" if "betas" in defaults else "momentum"  # of both, torch writes betas
    return ["lr", momentum] if momentum in defaults and _are_numbers(defaults[momentum]) else ["lr"]


def _are_numbers(value: Any) -> bool:
    entries = value if isinstance(value, (tuple, list)) and value else [value]
    return all(isinstance(entry, (int, float, Tensor)) for entry in entries)


@check(over=_schedules, exempt=("lr_unused",))
def scheduler(subject: Subject, name: str) -> None:
    """A scheduler of torch steers the optimizer as the same values written by hand do.

    Prevents: a `step()` that writes to `group["lr"]`, groups that lack the keys which schedulers read, momentum or
    betas that are read once, a schedule that never reaches its end. Criterion: 6 steps under the scheduler; before
    each, learning rate and momentum (or betas) in the group are to the bit those that the scheduler gives an optimizer
    which does nothing, and after it they are untouched; the parameters are equal to the bit to those of an optimizer
    into whose groups the same values are written by hand. One verdict for each of LambdaLR, StepLR, CosineAnnealingLR,
    OneCycleLR and, where momentum or betas are numbers, OneCycleLR with `cycle_momentum`; under that, some bit of the
    parameters must differ from those where momentum stays as it is written first (unless `dead_ok` or `not_per_group`
    names it). Exemption: `lr_unused`.
    """
    lr = subject.lr or 0.0
    walk, twin, other = Walk(subject), Walk(subject), Walk(subject)
    keys = _steered(walk.optimizer.defaults)
    steered = [{key: group[key] for key in keys if key in group} for group in walk.groups]
    idle = _Idle([{"params": [torch.nn.Parameter(torch.ones(1))], **group} for group in steered], steered[0])
    steering, pattern = _SCHEDULES[name](walk.optimizer, lr), _SCHEDULES[name](idle, lr)
    for _ in range(6):
        intended = [{key: group[key] for key in own} for own, group in zip(steered, idle.param_groups, strict=True)]
        _require_values(walk, intended, f"before step {walk.t + 1} under {name}")
        for group, values in zip(twin.groups, intended, strict=True):
            group.update(values)
        for group, values in zip(other.groups, intended, strict=True):
            group.update(values if other.t == 0 else {key: values[key] for key in ("lr",) if key in values})
        for one in (walk, twin, other) if _cycles(name, subject, keys) else (walk, twin):
            one.step()
        _require_values(walk, intended, f"after step {walk.t} under {name}")
        require_equal(
            walk.values(), twin.values(), when=f"after step {walk.t} under {name}, against its values set by hand"
        )
        idle.step()
        steering.step()
        pattern.step()
    if _cycles(name, subject, keys):
        key = keys[-1]
        require(
            any(not same(mine, theirs) for mine, theirs in zip(walk.values(), other.values(), strict=True)),
            f"{walk.t} steps under {name}, which writes {key!r} into the group, are to the bit those where it stays as "
            "it is written first: what stands in the group is not read at each step",
        )


def _cycles(name: str, subject: Subject, keys: Sequence[str]) -> bool:
    """Is momentum written, to which the optimizer is to respond?"""
    excused = {*subject.claims.get("dead_ok", ()), *subject.claims.get("not_per_group", ())}
    return name.endswith("momentum") and not {*keys, f"{keys[-1]}.0"} & excused


class _Idle(Optimizer):
    """Has groups for a scheduler to write into, and does nothing."""

    def step(self, closure: Any = None) -> Any:
        return None


def _require_values(walk: Walk, intended: list[dict[str, Any]], when: str) -> None:
    for index, (group, values) in enumerate(zip(walk.groups, intended, strict=True)):
        for key, expected in values.items():
            mine, theirs = _floats(group[key]), _floats(expected)
            require(mine == theirs, f"{when}, param_groups[{index}][{key!r}] is {mine}; expected {theirs}")


def _floats(value: Any) -> list[float]:
    return [float(entry) for entry in value] if isinstance(value, (tuple, list)) else [float(value)]


@check(applies=_has_rate, exempt=("lr_unused",), relaxed=("moves_at_lr0",))
def lr_zero(subject: Subject) -> None:
    """A learning rate of 0 is taken, and nothing moves.

    Prevents: a warm-up from 0 that is refused or divides by it, and an update that the learning rate does not scale.
    Criterion: 3 steps at a learning rate of 0, from the constructor or, where that refuses it, written into the groups,
    leave every parameter equal to the bit; so does a step at 0 after 8 ordinary ones. Under `moves_at_lr0` every
    parameter has to stay finite. Exemption: `lr_unused`.
    """
    accepted = subject.buildable(lr=0.0)
    walk = Walk(subject, options={"lr": 0.0} if accepted else {})
    walk.set(lr=0.0)
    start = walk.values()
    walk.take(3)
    require_finite(walk.values(), when="after 3 steps at a learning rate of 0")
    still = not subject.claimed("moves_at_lr0")
    if still:
        require_equal(walk.values(), start, when="after 3 steps at a learning rate of 0")
    walk = Walk(subject).take(_BEFORE)
    start = walk.values()
    walk.set(lr=0.0)
    walk.step()
    when = f"after step {walk.t}, for which the learning rate was set to 0"
    require_finite(walk.values(), when=when)
    if still:
        require_equal(walk.values(), start, when=when)


def _bad_values(subject: Subject) -> list[str]:
    return ["lr", "params"] if subject.offers("lr") else ["params"]


@check(over=_bad_values)
def bad_values_rejected(subject: Subject, name: str) -> None:
    """A negative learning rate and an empty list of parameters are refused.

    Prevents: a sign slip or an empty model that trains for a day. Criterion: the constructor raises for lr = -1, and
    for a list without parameters. One verdict for each.
    """
    try:
        if name == "lr":
            Walk(subject, options={"lr": -1.0})
        else:
            subject.build([])
    except Exception:
        return
    raise ContractBroken(
        "the constructor takes lr=-1.0; expected an error"
        if name == "lr"
        else "the constructor takes an empty list of parameters; expected an error"
    )


def _validated(subject: Subject) -> list[str]:
    """Hyperparameters that are numbers and whose constructor might look at their sign. Takes no step."""
    return [
        name
        for name, value in subject.keywords.items()
        if isinstance(value, (float, tuple, list)) and value not in ((), []) and _are_numbers(value)
    ]


@check(over=_validated)
def error_names_argument(subject: Subject, name: str) -> None:
    """An error about a bad value says which hyperparameter it is about.

    Prevents: an assertion without a text, which in a sweep over ten hyperparameters says nothing. Criterion: the
    constructor, given -1 for the hyperparameter (-1 for each entry of a tuple), raises nothing, or an error that names
    it, or its first word (with underscores or spaces, without a plural s; lr also as learning rate). One verdict for
    each number.
    """
    value = subject.option(name)
    bad: Any = type(value)([-1.0] * len(value)) if isinstance(value, (tuple, list)) else -1.0
    try:
        Walk(subject, options={name: bad})
    except Exception as error:
        sentence = f"the error for {name}={bad!r} does not name it: {type(error).__name__}: {error}"
        require(names_it(str(error), name), sentence)


def names_it(text: str, name: str) -> bool:
    """Does an error's text name a hyperparameter, or its first word: "invalid beta" for betas?"""
    words = name.lower().replace("_", " ")
    first = words.split()[0]
    names = {words, words.removesuffix("s"), first.removesuffix("s"), *(["learning rate"] if first == "lr" else [])}
    return any(word in text.lower().replace("_", " ") for word in names)
