"""Adam as Kingma and Ba (2015) define it: bias-corrected moments, and a step that is lr wherever gradients repeat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import number_of, require_close
from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import (
    betas_of,
    clear_of_zero,
    constant,
    downhill,
    float64,
    impulse,
    kept_in_float32,
    neutral,
    of_family,
    only,
    origin,
    paths,
    pattern,
    quick_betas,
    rounding,
    small_eps,
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk

_FAMILY = of_family("adam_like")
_MAGNITUDES = (1e-3, 1.0, 1e3)


def _plain(subject: Subject) -> bool:
    """Adam with no other option than the standard ones, and known decay rates."""
    return betas_of(subject) is not None and only(subject, "betas", "beta1", "beta2", "amsgrad")


def _forgetting(subject: Subject) -> bool:
    return not subject.option("amsgrad") and subject.buildable(**quick_betas(subject))


def _damped(subject: Subject) -> bool:
    return isinstance(subject.option("eps"), float) and subject.buildable(eps=0.5)


def _tolerance(subject: Subject, steps: int, beta2: float | None = None) -> float:
    """Some ten operations a step, and scalars that may be held in float32: rounding beta2 moves 1 - beta2 by as much,
    which is a larger share of it the closer beta2 is to one."""
    if beta2 is None:
        beta2 = (betas_of(subject) or (0.9, 0.999))[1]
    return rounding(subject, 10 * steps) + kept_in_float32(beta2)


@check(applies=_FAMILY)
def adam_first_step(subject: Subject) -> None:
    """The first step of Adam has the size lr in every entry, whatever the size of the gradient, and goes downhill.

    Prevents: a missing bias correction (the step is then 0.1 or 3 lr), a second moment without its root, a step of the
    wrong sign. Criterion: from zero along gradients of 1e-3, 1 and 1e3 with both signs, the first step is lr times the
    negative sign (positive with `maximize`). Weight decay is off, eps is 1e-12 where it is an option. Tolerance: 10
    roundings, 2^-24 / (1 - beta2) for scalars kept in float32, and 1e-5 for an eps of 1e-8 beside gradients of 1e-3
    where it cannot be set.
    """
    options = neutral(subject, **small_eps(subject))
    walk = Walk(subject, start=origin(subject), gradient=constant(subject, _MAGNITUDES), options=options).take(1)
    expected = paths(subject, 1, _MAGNITUDES)
    rtol = _tolerance(subject, 1) + (0.0 if "eps" in options else 1e-5)
    require_close(float64(walk.values()), expected, rtol=rtol, when="after the first step from zero")


@check(applies=_FAMILY)
def adam_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient Adam travels lr times the number of steps, however large the gradient is.

    Prevents: bias corrections with the wrong power or off by one step, moments with weights that do not add up to one,
    a counter that stands still. Criterion: from zero, every entry is lr t downhill after t = 2, 10 and 30 steps along
    gradients of 1e-3, 1 and 1e3. Weight decay is off and eps is 1e-12. Tolerance: that of adam_first_step, with the
    roundings of 30 steps.
    """
    options = neutral(subject, **small_eps(subject))
    walk = Walk(subject, start=origin(subject), gradient=constant(subject, _MAGNITUDES), options=options)
    rtol = _tolerance(subject, 30) + (0.0 if "eps" in options else 1e-5)
    for steps in (2, 10, 30):
        walk.take(steps - walk.t)
        expected = paths(subject, steps, _MAGNITUDES)
        require_close(
            float64(walk.values()), expected, rtol=rtol, when=f"after {number_of(steps, 'step')} of a constant gradient"
        )


@check(applies=all_of(_FAMILY, _plain))
def adam_impulse_response(subject: Subject) -> None:
    """One gradient and then none: Adam coasts, with steps that follow from beta1 and beta2 alone.

    Prevents: swapped decay rates, (1 - beta) forgotten or taken twice, a correction by the other beta, an amsgrad that
    keeps the wrong maximum: with a constant gradient all of these may cancel. Criterion: a gradient of 1 in the first
    step, zeros then; the t-th of 12 steps has the size lr m / sqrt(v) with m = (1 - beta1) beta1^(t-1) / (1 - beta1^t)
    and v = (1 - beta2) beta2^(t-1) / (1 - beta2^t); with amsgrad v is the greatest moment there was, taken before the
    correction (torch) or after it (as published for the corrected form). Tolerance: that of adam_first_step with the
    roundings of 12 steps, in units of the path.
    """
    beta1, beta2 = betas_of(subject) or (0.0, 0.0)
    options = neutral(subject, **small_eps(subject))
    walk = Walk(subject, start=origin(subject), gradient=impulse(subject), options=options)
    eps = 0.0 if "eps" in options else 1e-6
    reached = [0.0, 0.0]
    for t in range(1, 13):
        walk.step()
        m = (1 - beta1) * beta1 ** (t - 1) / (1 - beta1**t)
        v = (1 - beta2) * beta2 ** (t - 1) / (1 - beta2**t)
        if subject.option("amsgrad"):
            reached[0] += m / math.sqrt((1 - beta2) / (1 - beta2**t))
            reached[1] += m
        else:
            reached = [reached[0] + m / math.sqrt(v)] * 2
        rtol = _tolerance(subject, 12) + eps
        found = float64(walk.values())
        if not _close(found, paths(subject, reached[1]), rtol):
            when = f"{number_of(t - 1, 'zero gradient')} after a gradient of 1 (step {t})"
            require_close(found, paths(subject, reached[0]), rtol=rtol, when=when)


def _close(found: Sequence[Tensor], expected: Sequence[Tensor], rtol: float) -> bool:
    return all(torch.allclose(one, other, rtol=rtol, atol=0.0) for one, other in zip(found, expected, strict=True))


@check(applies=_FAMILY)
def adam_loss_scale(subject: Subject) -> None:
    """A loss that is scaled up or down leads Adam along the same path.

    Prevents: a moment that is not squared or not rooted, a floor or a clip on gradients or moments, eps in the wrong
    unit: tuned learning rates then depend on the units of the loss. Criterion: 10 steps along seeded normal gradients
    of at least 0.1, scaled by 2^-13 and by 2^10, stay on the path of the unscaled ones. Powers of two scale without
    rounding, so that eps alone, 1e-12 by option, makes a difference: a step may be off by 2 lr eps / (0.1 x scale),
    for no step of ten is longer than 2 lr, and by roundings. Where eps is no option, it is scaled up only.
    """
    options = neutral(subject, **small_eps(subject))
    unscaled = Walk(subject, gradient=clear_of_zero(subject, 1.0), options=options).take(10).values()
    for scale in (2.0**-13, 2.0**10) if "eps" in options else (2.0**10,):
        walk = Walk(subject, gradient=clear_of_zero(subject, scale), options=options).take(10)
        eps = 1e-12 if "eps" in options else 1e-8
        atol = 10 * (subject.lr or 0.0) * (2 * eps / (0.1 * min(scale, 1.0)) + rounding(subject, 100))
        rtol = rounding(subject, 10)
        when = f"after 10 steps with gradients scaled by {scale:g}"
        require_close(walk.values(), unscaled, rtol=rtol, atol=atol, when=when)


@check(applies=all_of(_FAMILY, _plain, _damped), exempt=("eps_other",))
def adam_eps(subject: Subject) -> None:
    """eps is added to the root of the corrected second moment: the first step is lr |g| / (|g| + eps).

    Prevents: eps inside the root, or added before the correction, which makes it 30 times as strong in the first steps
    and differs from what is documented and tuned for. Criterion: eps = 0.5 and gradients of 0.1, 1 and 10; the first
    two steps along a constant gradient both have that size. Tolerance: that of adam_first_step. Exemption: `eps_other`.
    """
    sizes = (0.1, 1.0, 10.0)
    walk = Walk(subject, start=origin(subject), gradient=constant(subject, sizes), options=neutral(subject, eps=0.5))
    for steps in (1, 2):
        walk.step()
        expected = []
        for index, value in enumerate(walk.values()):
            gradient = pattern(subject, index, value.shape, sizes)
            expected.append(downhill(subject) * (subject.lr or 0.0) * steps * gradient / (gradient.abs() + 0.5))
        when = f"after {number_of(steps, 'step')} with eps=0.5 along gradients of 0.1, 1 and 10"
        require_close(float64(walk.values()), expected, rtol=_tolerance(subject, 2), when=when)


@check(applies=all_of(_FAMILY, _plain, _forgetting))
def adam_forgets_at_beta2(subject: Subject) -> None:
    """After a spike of 1000 the second moment of Adam forgets at the rate beta2, and the first at beta1.

    Prevents: an accumulator that only grows, a decay that is applied to the wrong moment or twice. Criterion: betas
    (0.8, 0.9), a gradient of 1000 and then ones; over 20 steps the path is the sum of lr m / sqrt(v) with
    m = (999 x 0.2 x 0.8^(t-1) + 1 - 0.8^t) / (1 - 0.8^t) and v likewise from 1000^2 with 0.9. Tolerance: that of
    adam_first_step with the roundings of 20 steps. With amsgrad it does not apply.
    """
    options = neutral(subject, **quick_betas(subject), **small_eps(subject))
    walk = Walk(subject, start=origin(subject), gradient=impulse(subject, (1000.0,), after=1.0), options=options)
    reached = 0.0
    for t in range(1, 21):
        walk.step()
        m = (999.0 * 0.2 * 0.8 ** (t - 1)) / (1 - 0.8**t) + 1
        v = ((1000.0**2 - 1) * 0.1 * 0.9 ** (t - 1)) / (1 - 0.9**t) + 1
        reached += m / math.sqrt(v)
        if t % 5:
            continue
        expected = paths(subject, reached, (1000.0,))
        rtol = _tolerance(subject, 20, 0.9) + 1e-7
        require_close(float64(walk.values()), expected, rtol=rtol, when=f"{t - 1} steps after a gradient of 1000")
