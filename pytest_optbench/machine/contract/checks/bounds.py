"""Bounds: a step is no longer than declared, and eps makes it no longer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require
from pytest_optbench.machine.contract.check import check, claims
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk

SPIKES = {5: 1000.0, 6: 1000.0, 12: -1000.0, 18: 1000.0}
"""Factor on the gradients by step."""


def _without_decay(subject: Subject) -> dict[str, Any]:
    if subject.offers("weight_decay") and subject.buildable(weight_decay=0.0):
        return {"weight_decay": 0.0}
    return {}


@check(applies=claims("step_bound"))
def step_bounded(subject: Subject) -> None:
    """No entry moves further in a step than the declared multiple of the learning rate, spikes or not.

    Prevents: a normalization that is computed before the spike and applied to it, clipping that is skipped on one code
    path, moments that are updated in the wrong order. Criterion: along 20 gradients, four of which are 1000 times as
    large, and without weight decay, max |dp| <= step_bound * lr in every step (step_bound itself for an optimizer
    without a learning rate). Tolerance: 4 units in the last place of the parameter, and 1e-5 (1e-12 in float64) of the
    bound, for the rounding of the step. Collected where `step_bound` is claimed.
    """
    bound = float(subject.claims["step_bound"]) * (subject.lr if subject.lr is not None else 1.0)
    script = Script(subject.seed)

    def spiky(t: int, index: int, p: Tensor) -> Tensor | None:
        gradient = script(t, index, p)
        return None if gradient is None else gradient * SPIKES.get(t, 1.0)

    walk = Walk(subject, gradient=spiky, options=_without_decay(subject))
    last = torch.finfo(subject.dtype).eps
    slack = 1e-5 if subject.dtype == torch.float32 else 1e-12
    for t in range(20):
        before = walk.values()
        walk.step()
        for index, (old, new) in enumerate(zip(before, walk.values(), strict=True)):
            step = float((new - old).abs().max())
            allowed = bound * (1 + slack) + 4 * last * float(torch.maximum(old.abs(), new.abs()).max())
            spike = f", a spike of {abs(SPIKES[t]):g}," if t in SPIKES else ""
            require(
                step <= allowed,
                f"step {t + 1}{spike} moved an entry of tensor {index} {tuple(old.shape)} by {step:.6g}; "
                f"step_bound * lr = {bound:.6g} is declared",
            )


def _has_eps(subject: Subject) -> bool:
    value = subject.option("eps")
    return isinstance(value, float) and math.isfinite(value)


@check(once=True, exempt=("eps_other",), applies=_has_eps)
def eps_damps(subject: Subject) -> None:
    """A larger eps makes the first step nowhere larger.

    Prevents: eps subtracted, multiplied, or added to the numerator; eps under the root on one code path and outside on
    another. Criterion: the first step with eps=0.3 is in no entry larger than that with eps=1e-8, in float64 (float32
    under `no_fp64`). Tolerance: 4 units in the last place of the parameter, from which the step is taken, and 1e-9 of
    the step (1e-5 in float32). Exemption: `eps_other`. Where the constructor refuses these values, that is an answer.
    """
    if not (subject.buildable(eps=0.3) and subject.buildable(eps=1e-8)):
        return
    exact = not subject.claimed("no_fp64")
    one = subject.in_dtype(torch.float64) if exact else subject
    steps = []
    for eps in (0.3, 1e-8):
        walk = Walk(one, options={"eps": eps, **_without_decay(one)})
        walk.take(int(one.claimed("first_step_init")))
        start = walk.values()
        walk.step()
        steps.append([(new - old).abs() for new, old in zip(walk.values(), start, strict=True)])
        sizes = [value.abs() for value in walk.values()]
    last = torch.finfo(one.dtype).eps
    for index, (damped, full, size) in enumerate(zip(*steps, sizes, strict=True)):
        excess = damped - full * (1 + (1e-9 if exact else 1e-5)) - 4 * last * (size + full)
        place = int(excess.argmax())
        require(
            float(excess.max()) <= 0,
            f"with eps=0.3 the first step of tensor {index} {tuple(size.shape)} is {damped.flatten()[place]:.6g} in "
            f"entry {place}, larger than {full.flatten()[place]:.6g} with eps=1e-8",
        )
