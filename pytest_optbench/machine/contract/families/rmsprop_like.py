"""RMSprop (Tieleman and Hinton 2012), centered as in Graves (2013, eq. 38 to 45), with momentum as torch defines it."""

from __future__ import annotations

from torch import Tensor

from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import (
    Rule,
    constant,
    eps_in,
    impulse,
    kept_in_float32,
    neutral,
    of_family,
    only,
    require_course,
    rounding,
    small_eps,
)
from pytest_optbench.machine.contract.subject import Subject

_FAMILY = of_family("rmsprop_like")
_MAGNITUDES = (1e-3, 1.0, 1e3)
_STEPS = 12


def _alpha(subject: Subject) -> float | None:
    """The decay rate of the second moment; None for an optimizer that names it otherwise."""
    alpha = subject.option("alpha")
    return float(alpha) if isinstance(alpha, (int, float, Tensor)) and not isinstance(alpha, bool) else None


def _plain(subject: Subject) -> bool:
    return bool(_alpha(subject)) and only(subject, "alpha", "momentum", "centered")


def _damped(subject: Subject) -> bool:
    return isinstance(subject.option("eps"), float) and subject.buildable(eps=0.5)


def _rule(subject: Subject, eps: float) -> Rule:
    """v <- alpha v + (1 - alpha) g^2; g / (sqrt(v) + eps), of the variance v - m^2 if it is centered, into a velocity
    that is multiplied by the momentum in each step."""
    alpha, momentum = _alpha(subject) or 0.0, float(subject.option("momentum", 0.0))
    centered, lr = bool(subject.option("centered")), subject.lr or 0.0
    kept: dict[str, Tensor | float] = {"v": 0.0, "m": 0.0, "velocity": 0.0}

    def rule(gradient: Tensor, place: Tensor) -> Tensor:
        v = kept["v"] = alpha * kept["v"] + (1 - alpha) * gradient.square()
        m = kept["m"] = alpha * kept["m"] + (1 - alpha) * gradient
        root = (v - m.square()).clamp(min=0).sqrt() if centered else v.sqrt()
        velocity = kept["velocity"] = momentum * kept["velocity"] + gradient / (root + eps)
        return lr * velocity

    return rule


def _tolerance(subject: Subject) -> float:
    """Some ten operations a step, and an alpha that may be kept in float32. Centered, the root is taken of a difference
    of which each of the two terms is at most alpha^-t times as large."""
    alpha = _alpha(subject) or 0.0
    lost = alpha**-_STEPS if subject.option("centered") else 1.0
    return rounding(subject, 10 * _STEPS) * lost + kept_in_float32(alpha)


@check(applies=all_of(_FAMILY, _plain))
def rmsprop_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient the t-th step of RMSprop is lr / sqrt(1 - alpha^t), however large the gradient is.

    Prevents: an accumulator that starts at one or is corrected as Adam's, a mean that is not taken off, or of another
    gradient, a velocity that is averaged or not divided by the root. Criterion: from zero along gradients of 1e-3, 1
    and 1e3, each of 12 steps is lr g / (sqrt(v) + eps) with v = (1 - alpha^t) g^2, if centered
    v = alpha^t (1 - alpha^t) g^2, and with momentum the velocity u <- momentum u + g / (sqrt(v) + eps). Weight decay is
    off, eps 1e-12 where it is an option. Tolerance: 10 roundings a step, times alpha^-12 for the difference of two
    moments if centered; 2^-24 / (1 - alpha) for an alpha kept in float32; 1e-5 for an eps of 1e-8 beside gradients of
    1e-3 where it cannot be set.
    """
    options = neutral(subject, **small_eps(subject))
    rtol = _tolerance(subject) + (0.0 if "eps" in options else 1e-5 / (1 - (_alpha(subject) or 0.0)) ** 0.5)
    require_course(
        subject,
        constant(subject, _MAGNITUDES),
        [lambda: _rule(subject, eps_in(options))],
        steps=_STEPS,
        rtol=rtol,
        along="a constant gradient",
        options=options,
    )


@check(applies=all_of(_FAMILY, _plain))
def rmsprop_forgets_at_alpha(subject: Subject) -> None:
    """After a spike the second moment of RMSprop forgets at the rate alpha.

    Prevents: an accumulator that only grows, a root that is written into it, swapped weights. Criterion: as
    rmsprop_constant_gradient, along a gradient of 100 and then ones.
    """
    options = neutral(subject, **small_eps(subject))
    require_course(
        subject,
        impulse(subject, (100.0,), after=1.0),
        [lambda: _rule(subject, eps_in(options))],
        steps=_STEPS,
        rtol=_tolerance(subject) + (0.0 if "eps" in options else 1e-6),
        along="ones after a gradient of 100",
        options=options,
    )


@check(applies=all_of(_FAMILY, _plain, _damped), exempt=("eps_other",))
def rmsprop_eps(subject: Subject) -> None:
    """eps is added to the root of the second moment: the step is lr g / (sqrt(v) + eps).

    Prevents: eps inside the root, as TensorFlow has it, under which the same number damps gradients of another size:
    learning rates do not carry over. Criterion: as rmsprop_constant_gradient, with eps = 0.5 and gradients of 0.1, 1
    and 10. Exemption: `eps_other`.
    """
    require_course(
        subject,
        constant(subject, (0.1, 1.0, 10.0)),
        [lambda: _rule(subject, 0.5)],
        steps=_STEPS,
        rtol=_tolerance(subject),
        along="gradients of 0.1, 1 and 10 with eps=0.5",
        options=neutral(subject, eps=0.5),
    )
