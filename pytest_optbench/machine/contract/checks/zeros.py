"""Zeros: gradients that are zero, tiny or huge leave every number finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import number_of, require_close, require_finite
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, tensors_of

SCALES = ("1e-30", "1e-12", "1e3", "1e6")


@check(relaxed=("moves_on_zero_grad",))
def zero_gradients(subject: Subject) -> None:
    """Gradients that are zero move nothing and break nothing.

    Prevents: 0/0 in a normalized step, a NaN that stays in the state for ever, parameters that drift although nothing
    pulls them (frozen layers, dead units, padding rows have such gradients for thousands of steps). Criterion: along 3
    zero gradients from a fresh state, without weight decay, every parameter stays what it was, and finite; 3
    ordinary steps afterwards are finite; and so are 3 ordinary steps with one entry of each gradient zero. Tolerance:
    4 roundings in each step, for (1 - c) y + c z, the average of two equal numbers, is not always that number.
    Exemption: `moves_on_zero_grad` (equality only).
    """
    options: dict[str, Any] = {}
    if subject.offers("weight_decay") and subject.buildable(weight_decay=0.0):
        options["weight_decay"] = 0.0
    walk = Walk(subject, options=options)
    start = walk.values()
    for t in (1, 2, 3):
        walk.step(lambda t, index, p: 0 * p)
        require_finite(walk.values(), when=f"after {number_of(t, 'zero gradient')}")
        if not subject.claimed("moves_on_zero_grad"):
            rtol = 4 * t * torch.finfo(subject.dtype).eps
            require_close(walk.values(), start, rtol=rtol, atol=0.0, when=f"after {number_of(t, 'zero gradient')}")
    walk.take(3)
    require_finite(walk.values(), when="after 3 zero and 3 ordinary gradients")
    script = Script(subject.seed)

    def punctured(t: int, index: int, p: Tensor) -> Tensor | None:
        gradient = script(t, index, p)
        if gradient is not None:
            gradient.view(-1)[0] = 0
        return gradient

    walk = Walk(subject, options=options, gradient=punctured).take(3)
    require_finite(walk.values(), when="after 3 gradients whose first entry is zero")


def _scales(subject: Subject) -> list[str]:
    made_for = subject.claims.get("grad_scales")
    if made_for is None:
        return list(SCALES)
    return [scale for scale in SCALES if float(scale) in {float(one) for one in made_for}]


@check(over=_scales)
def gradient_magnitudes(subject: Subject, scale: str) -> None:
    """Gradients far from the usual size leave parameters and state finite.

    Prevents: a second moment that underflows to zero below a division, a product of norms that overflows, a loss scale
    that must not be changed. Criterion: 5 steps in float32 along normal gradients times 1e-30, 1e-12, 1e3 or 1e6 (one
    verdict each): every parameter and every floating-point state tensor is finite. No tolerance. Exemption:
    `grad_scales` lists those of the scales that the optimizer is made for.
    """
    walk = Walk(subject, gradient=Script(subject.seed, scale=float(scale), slope=0.0))
    for t in range(1, 6):
        walk.step()
        when = f"after {number_of(t, 'gradient')} of scale {scale}"
        require_finite(walk.values(), when=when)
        for index in range(len(walk.parameters)):
            state = [one for one in tensors_of(walk.state_of(index)) if one.is_floating_point()]
            require_finite(state, when=f"{when}, in the state of tensor {index}", what="state tensor")
