"""Symmetries: what must not change when signs or the origin do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import number_of, require_close, require_equal
from pytest_optbench.machine.contract.check import check, offers
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial


@check(applies=offers("maximize"))
def maximize(subject: Subject) -> None:
    """maximize=True is the same as negated gradients.

    Prevents: only one of the two uses of the gradient negated, the sign of momentum or of weight decay flipped along
    with it, an option that one code path forgets. Criterion: 8 steps with maximize=True are equal, to the bit, to 8
    steps with maximize=False along the negated gradients. Negation is exact: no tolerance. Where the constructor
    refuses either value, that is an answer. (That the gradients themselves are left alone is gradient_untouched's.)
    """
    if not (subject.buildable(maximize=True) and subject.buildable(maximize=False)):
        return
    script = Script(subject.seed)
    up = Walk(subject, options={"maximize": True}, gradient=script)
    down = Walk(subject, options={"maximize": False}, gradient=_negated(script))
    for t in range(1, 9):
        up.step()
        down.step()
        require_equal(up.values(), down.values(), when=f"in step {t}, with maximize=True instead of negated gradients")


def _negated(script: Script) -> Any:
    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, p)
        return None if value is None else -value

    return gradient


@check(exempt=("not_odd", "stochastic"))
def sign_symmetry(subject: Subject) -> None:
    """Negated parameters and negated gradients give negated steps.

    Prevents: an absolute value, a clamp or a maximum applied to a signed quantity, eps added to a gradient, a wrong
    sign on one of several terms. Criterion: 10 steps from -p along the gradients of the mirrored problem are close to
    minus the 10 steps from p. Tolerance: rtol 1e-5, atol 1e-7 (float64: 1e-12 and 1e-14); rounding to nearest is odd
    itself, so that hardly a bit should differ. Exemptions: `not_odd`, `stochastic`.
    """
    script = Script(subject.seed)

    def mirrored(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, -p)
        return None if value is None else -value

    plain = Walk(subject, gradient=script)
    mirror = Walk(subject, start=[-value for value in initial(subject)], gradient=mirrored)
    rtol, atol = (1e-5, 1e-7) if subject.dtype == torch.float32 else (1e-12, 1e-14)
    for t in range(1, 11):
        plain.step()
        mirror.step()
        found = [-value for value in mirror.values()]
        when = f"after {number_of(t, 'step')} of the mirrored problem, mirrored back"
        require_close(found, plain.values(), rtol=rtol, atol=atol, when=when)


@check(once=True, exempt=("uses_param_values",), applies=lambda subject: not subject.declared.needs_closure)
def translation(subject: Subject) -> None:
    """Steps depend on the gradients, not on where the parameters are.

    Prevents: a parameter used where its gradient was meant, decay that cannot be switched off, a distance from zero
    taken for the distance from the start. Criterion: 8 steps from p + 10 along the same gradients, without weight
    decay, are the steps from p. Tolerance: rtol 1e-7, atol 1e-12 in float64, where 8 roundings of a parameter of size
    13 come to 8e-15; 1e-3 and 1e-4 in float32 under `no_fp64`. Exemption: `uses_param_values`; not collected for what
    needs a closure, which may use its loss.
    """
    exact = not subject.claimed("no_fp64")
    one = subject.in_dtype(torch.float64) if exact else subject
    options: dict[str, Any] = {}
    if one.offers("weight_decay") and one.buildable(weight_decay=0.0):
        options["weight_decay"] = 0.0
    script = Script(one.seed, slope=0.0)
    start = initial(one)
    shifted = [value + 10 for value in start]
    near = Walk(one, start=start, gradient=script, options=options)
    far = Walk(one, start=shifted, gradient=script, options=options)
    for t in range(1, 9):
        near.step()
        far.step()
        expected = [new - old for new, old in zip(near.values(), start, strict=True)]
        found = [new - old for new, old in zip(far.values(), shifted, strict=True)]
        rtol, atol = (1e-7, 1e-12) if exact else (1e-3, 1e-4)
        require_close(
            found, expected, rtol=rtol, atol=atol, when=f"{number_of(t, 'step')} from p + 10, of the way from there"
        )
