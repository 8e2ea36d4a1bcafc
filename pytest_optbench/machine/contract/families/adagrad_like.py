"""Adagrad (Duchi et al. 2011): the sum of all squared gradients, which never forgets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pytest_optbench.machine.contract.broken import require_close
from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import (
    constant,
    downhill,
    float64,
    impulse,
    neutral,
    of_family,
    only,
    origin,
    pattern,
    rounding,
    small_eps,
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk

_FAMILY = of_family("adagrad_like")
_MAGNITUDES = (0.01, 1.0, 100.0)


def _plain(subject: Subject) -> bool:
    return only(subject, "lr_decay", "initial_accumulator_value")


@check(applies=_FAMILY)
def adagrad_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient the t-th step of Adagrad is lr / sqrt(t).

    Prevents: an average in place of the sum, a root that is missing, a step before the accumulator has seen the
    gradient. Criterion: from zero along gradients of 0.01, 1 and 100, each of 10 steps has the size
    lr_t |g| / (sqrt(a + t g^2) + eps) with a the initial accumulator and lr_t = lr / (1 + (t - 1) lr_decay). Weight
    decay is off, eps 1e-12 where it is an option. Tolerance: 10 roundings a step, and eps beside the smallest gradient.
    """
    _require_path(subject, constant(subject, _MAGNITUDES), _MAGNITUDES, steps=10, after=None)


@check(applies=all_of(_FAMILY, _plain))
def adagrad_never_forgets(subject: Subject) -> None:
    """The accumulator never shrinks: after a spike of 100 all later steps along ones stay small.

    Prevents: a decay that makes it RMSprop, a maximum in place of the sum. Criterion: as adagrad_constant_gradient,
    along a gradient of 100 and then ones, 20 steps.
    """
    _require_path(subject, impulse(subject, (100.0,), after=1.0), (100.0,), steps=20, after=1.0)


def _require_path(
    subject: Subject, script: Gradient, magnitudes: Sequence[float], *, steps: int, after: float | None
) -> None:
    options = neutral(subject, **small_eps(subject))
    walk = Walk(subject, start=origin(subject), gradient=script, options=options)
    eps = 1e-12 if "eps" in options else 0.0
    decay = float(subject.option("lr_decay", 0.0))
    first = [pattern(subject, index, value.shape, magnitudes) for index, value in enumerate(walk.values())]
    squares = [float(subject.option("initial_accumulator_value", 0.0)) + 0 * gradient for gradient in first]
    place: list[Tensor] = [0 * gradient for gradient in first]
    rtol = rounding(subject, 10 * steps) + (0.0 if eps else 1e-6)
    for t in range(steps):
        walk.step()
        gradients = first if after is None or t == 0 else [after * gradient.sign() for gradient in first]
        squares = [old + gradient.square() for old, gradient in zip(squares, gradients, strict=True)]
        size = downhill(subject) * (subject.lr or 0.0) / (1 + t * decay)
        place = [
            old + size * gradient / (square.sqrt() + eps)
            for old, gradient, square in zip(place, gradients, squares, strict=True)
        ]
        kind = "a constant gradient" if after is None else f"ones after a gradient of {magnitudes[0]:g}"
        require_close(float64(walk.values()), place, rtol=rtol, when=f"after step {t + 1} along {kind}")
