"""Liveness: every hyperparameter has an effect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import ContractBroken, same
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import VARIANTS, Subject
from pytest_optbench.machine.contract.walk import Script, Walk

STEPS = 40
SCALES = (1.0, 1e-7)
"""Of the gradients: eps shows only where they are as small as it is."""

SCHEDULE = {3: 1.5, 6: 0.5}
"""Factor on the learning rate by step: some options matter only where it rises, or falls."""


def _parts(subject: Subject) -> list[str]:
    """Numbers and flags among the hyperparameters; the numbers in a tuple one by one, as in betas.0 and betas.1."""
    if subject.derived:  # what is alive in none of them fails in the default configuration
        return []
    skipped = {*VARIANTS, *subject.claims.get("dead_ok", ())}
    found: list[str] = []
    for name, value in subject.keywords.items():
        entries = {f"{name}.{k}": entry for k, entry in enumerate(value)} if _is_tuple(value) else {name: value}
        if name not in skipped:
            found += [part for part, entry in entries.items() if part not in skipped and _is_number(entry)]
    return found


@check(over=_parts)
def hyperparameters_are_live(subject: Subject, part: str) -> None:
    """A hyperparameter that is changed changes the trajectory, or its value is refused.

    Prevents: an option that is stored and never read, read from `defaults` of another name, overwritten by a constant,
    or lost on one of two code paths; eps added where it is swallowed. The most frequent real failure of recent years,
    for nothing crashes and everything trains. Criterion: for each number or flag of the constructor (entries of a tuple
    one by one; a flag is flipped, a number is moved to several other values in turn, eps first times 1e4), 40 steps (10
    under `multi_closure`) with gradients of scale 1 or of scale 1e-7, and with the learning rate raised after 3 and
    lowered after 6, differ in some bit for one of these values; or every one of them is refused by an exception. No
    tolerance. What needs a closure is also led down a bowl of which it is told the loss that belongs to the gradients.
    Options that choose an implementation and those that are None are left out. Exemption: `dead_ok` names options (or
    entries, as in "betas.1") that have no effect in this configuration. An effect in one of the derived configurations
    is enough.
    """
    name, _, position = part.partition(".")
    value = subject.keywords[name]
    entry = value[int(position)] if position else value
    tried = []
    for other in changed(name, entry):
        options = {name: _replaced(value, int(position), other) if position else other}
        taken = False
        for one in _configured(subject, name):
            with suppress(Exception, SystemExit):  # refused, by the constructor or by a step
                if _differs(one, options):
                    return
                taken = True
        if taken:
            tried.append(f"{other:g}" if isinstance(other, float) else str(other))
    if tried:
        scales = " and ".join(f"{scale:g}" for scale in SCALES)
        raise ContractBroken(
            f"{part} has no effect: {_steps(subject)} steps with {part}={' or '.join(tried)} are to the bit those with "
            f"{entry!r}, for gradients of scale {scales}; where that is meant, claim dead_ok"
        )


def _configured(subject: Subject, name: str) -> Iterator[Subject]:
    """The subject, then the derived configurations that leave the option alone."""
    yield subject
    for configuration in sorted(subject.recipe.derived - {subject.configuration}):
        if name not in subject.recipe.configurations[configuration]:
            yield replace(subject, configuration=configuration)


def changed(name: str, value: float) -> list[Any]:
    """Other values of a hyperparameter, the most sensible first.

    >>> changed("nesterov", False), changed("weight_decay", 0.0), changed("eps", 1e-8)[0]
    ([True], [0.1, 0.5], 0.0001)
    """
    others: list[Any]
    size = abs(value)
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 1, value + 10, 2 * value, value // 2, 1, 0]
    elif not math.isfinite(value):
        others = [2.0, 1.01, 0.5]
    elif size == 0:
        others = [0.1, 0.5]
    elif size < 1e-3 or ("eps" in name and size < 1e-2):
        others = [value * 1e4, value * 10, value / 10, math.copysign(1e-3, value)]
    elif size < 0.5:  # last: a floor or a threshold that ordinary values are far from
        others = [3 * value if name == "weight_decay" else 2 * value, value / 2, value / 10, value * 1e4]
    elif size < 1:
        others = [math.copysign(near, value) for near in (1 - 1.5 * (1 - size), (1 + size) / 2, size / 10)]
    else:
        others = [2 * value, value / 2, value + 1, value / 10, value / 1e4]
    return list(dict.fromkeys(other for other in others if other != value))


@dataclass(frozen=True)
class Bowl:
    """A loss and its own gradient: scale * sum(c p^2 / 2 + p^4 / 4), c from 0.1 to 10, which no few steps bring to its
    end. What looks at losses and gradients together, as a line search does, is led by rounding along any other."""

    scale: float

    def __call__(self, t: int, index: int, parameter: Tensor) -> Tensor:
        p = parameter.to(torch.float64)
        return (self.scale * (self._curvature(p) * p + p**3)).to(parameter.dtype)

    def loss(self, parameters: Sequence[Tensor]) -> Tensor:
        values = [parameter.to(torch.float64) for parameter in parameters]
        losses = [(self._curvature(p) * p**2 / 2 + p**4 / 4).sum() for p in values]
        return self.scale * torch.stack(losses).sum()

    def _curvature(self, like: Tensor) -> Tensor:
        return torch.logspace(-1, 1, like.numel(), dtype=torch.float64, device=like.device).reshape(like.shape)


def _differs(subject: Subject, options: Mapping[str, Any]) -> bool:
    scripts: list[Script | Bowl] = [Bowl(scale) for scale in SCALES if subject.capabilities.needs_closure]
    scripts += [Script(subject.seed, scale=scale) for scale in SCALES]
    return any(_parted(subject, options, script) for script in scripts)


def _parted(subject: Subject, options: Mapping[str, Any], gradient: Script | Bowl) -> bool:
    """Do the trajectories part anywhere?"""
    objective = gradient.loss if isinstance(gradient, Bowl) else None
    plain = Walk(subject, gradient=gradient, objective=objective)
    other = Walk(subject, gradient=gradient, objective=objective, options=options)
    for t in range(_steps(subject)):
        for walk in (plain, other):
            _rescale_lr(walk, SCHEDULE.get(t, 1.0))
        plain.step()
        other.step()
        if _differ(plain, other):
            return True
    plain.eval()
    other.eval()
    return _differ(plain, other)


def _steps(subject: Subject) -> int:
    return 10 if subject.claimed("multi_closure") else STEPS


def _rescale_lr(walk: Walk, factor: float) -> None:
    for group in walk.groups if factor != 1 else ():
        if isinstance(group.get("lr"), float):
            group["lr"] *= factor


def _differ(mine: Walk, theirs: Walk) -> bool:
    return not all(same(a, b) for a, b in zip(mine.parameters, theirs.parameters, strict=True))


def _replaced(values: Sequence[Any], position: int, value: Any) -> Sequence[Any]:
    entries: Iterator[Any] = (value if k == position else entry for k, entry in enumerate(values))
    return list(entries) if isinstance(values, list) else tuple(entries)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) and not (isinstance(value, float) and math.isnan(value))


def _is_tuple(value: Any) -> bool:
    return isinstance(value, (tuple, list))
