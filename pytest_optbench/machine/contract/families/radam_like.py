"""RAdam (Liu et al. 2020, algorithm 2): Adam whose steps are rectified for the variance of a short average, and not
divided by it while it is too short."""

from __future__ import annotations

import math

from torch import Tensor

from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import (
    Rule,
    betas_of,
    constant,
    eps_in,
    impulse,
    kept_in_float32,
    neutral,
    of_family,
    only,
    quick_betas,
    require_course,
    rounding,
    small_eps,
)
from pytest_optbench.machine.contract.subject import Subject

_FAMILY = of_family("radam_like")
_MAGNITUDES = (0.25, 1.0, 8.0)
_STEPS = 24


def _plain(subject: Subject) -> bool:
    return betas_of(subject) is not None and only(subject, "betas", "beta1", "beta2")


def _damped(subject: Subject) -> bool:
    return isinstance(subject.option("eps"), float) and subject.buildable(**quick_betas(subject), eps=0.5)


def _rule(subject: Subject, betas: tuple[float, float], eps: float, *, early: bool = False) -> Rule:
    """`early`: eps is added to the root before the correction, as torch does it."""
    beta1, beta2 = betas
    lr, above = subject.lr or 0.0, float(subject.claims.get("rectified_above", 5.0))
    longest = 2 / (1 - beta2) - 1
    kept: dict[str, Tensor | float] = {"m": 0.0, "v": 0.0}
    t = 0

    def rule(gradient: Tensor, place: Tensor) -> Tensor:
        nonlocal t
        t += 1
        m = kept["m"] = beta1 * kept["m"] + (1 - beta1) * gradient
        v = kept["v"] = beta2 * kept["v"] + (1 - beta2) * gradient.square()
        corrected = m / (1 - beta1**t)
        rho = longest - 2 * t * beta2**t / (1 - beta2**t)
        if rho <= above:
            return lr * corrected
        share = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
        correction = math.sqrt(1 - beta2**t)
        root = (v.sqrt() + eps) / correction if early else v.sqrt() / correction + eps
        return lr * math.sqrt(share) * corrected / root

    return rule


def _tolerance(subject: Subject, betas: tuple[float, float]) -> float:
    """Some twenty operations a step, and rates that may be kept in float32: the length of the average, and what it is
    above four, feel that three times."""
    return rounding(subject, 20 * _STEPS) + 4 * kept_in_float32(betas[1])


@check(applies=all_of(_FAMILY, _plain))
def radam_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient RAdam goes lr g in its first steps, and then r_t lr, where r_t is the rectification.

    Prevents: a length of the average by the wrong beta or without its correction, a rectification upside down, bias
    corrections that are left out before or after, no steps at all before. Criterion: from zero along gradients of 0.25,
    1 and 8, after each of 24 steps, with rho_inf = 2 / (1 - beta2) - 1 and
    rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t): while rho_t is at most 5 (torch; the paper has 4, which is to be
    claimed by `rectified_above`) a step is lr m / (1 - beta1^t), later r_t times that of Adam with
    r_t^2 = (rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t). Weight decay is off, eps 1e-12 where
    it is an option. Tolerance: 20 roundings a step, and 4 times 2^-24 / (1 - beta2) for rates kept in float32.
    """
    betas = betas_of(subject) or (0.0, 0.0)
    options = neutral(subject, **small_eps(subject))
    require_course(
        subject,
        constant(subject, _MAGNITUDES),
        [lambda: _rule(subject, betas, eps_in(options))],
        steps=_STEPS,
        rtol=_tolerance(subject, betas) + (0.0 if "eps" in options else 1e-5),
        along="a constant gradient",
        options=options,
    )


@check(applies=all_of(_FAMILY, _plain))
def radam_impulse_response(subject: Subject) -> None:
    """After a gradient of 8 and then smaller ones RAdam coasts as its two averages say.

    Prevents: swapped decay rates, a second moment that is not kept or not corrected: along a constant gradient some of
    these cancel. Criterion: as radam_constant_gradient, with gradients of 1/4 from the second step on; with the
    subject's decay rates, and with (0.8, 0.9) where these are taken.
    """
    script = impulse(subject, (8.0,), after=0.25)
    own = betas_of(subject) or (0.0, 0.0)
    for betas, chosen in ((own, {}), ((0.8, 0.9), quick_betas(subject))):
        options = neutral(subject, **small_eps(subject), **chosen)
        if not chosen.keys() <= options.keys():
            continue
        require_course(
            subject,
            script,
            [lambda betas=betas, options=options: _rule(subject, betas, eps_in(options))],  # type: ignore[misc]
            steps=_STEPS,
            rtol=_tolerance(subject, betas) + (0.0 if "eps" in options else 1e-5),
            along=f"gradients of 0.25 after one of 8, with betas {betas}",
            options=options,
        )


@check(applies=all_of(_FAMILY, _plain, _damped), exempt=("eps_other",))
def radam_eps(subject: Subject) -> None:
    """eps is added to the root of the second moment, before its correction (torch) or after it (the paper).

    Prevents: eps inside the root or in the wrong unit. Criterion: as radam_constant_gradient, with betas (0.8, 0.9),
    eps = 0.5 and gradients of 0.1, 1 and 10. Exemption: `eps_other`.
    """
    require_course(
        subject,
        constant(subject, (0.1, 1.0, 10.0)),
        [
            lambda: _rule(subject, (0.8, 0.9), 0.5, early=True),
            lambda: _rule(subject, (0.8, 0.9), 0.5),
        ],
        steps=_STEPS,
        rtol=_tolerance(subject, (0.8, 0.9)),
        along="gradients of 0.1, 1 and 10 with eps=0.5",
        options=neutral(subject, **quick_betas(subject), eps=0.5),
    )
