"""NAdam (Dozat 2016): Adam with Nesterov's momentum, on a schedule that torch calls momentum_decay."""

from __future__ import annotations

import math
from typing import Any

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
from pytest_optbench.machine.contract.walk import Gradient

_FAMILY = of_family("nadam_like")
_MAGNITUDES = (1e-3, 1.0, 1e3)
_STEPS = 15
_PUBLISHED = 4e-3
"""The momentum's decay where it is no option: Dozat's 0.96^(t / 250)."""


def _plain(subject: Subject) -> bool:
    return betas_of(subject) is not None and only(subject, "betas", "beta1", "beta2", "momentum_decay")


def _quick(subject: Subject) -> dict[str, Any]:
    """A schedule that is nearly over after twenty steps, and decay rates at which these forget."""
    return {**quick_betas(subject), "momentum_decay": 4.0}


def _scheduled(subject: Subject) -> bool:
    return isinstance(subject.option("momentum_decay"), float) and subject.buildable(**_quick(subject))


def _damped(subject: Subject) -> bool:
    return isinstance(subject.option("eps"), float) and subject.buildable(eps=0.5)


def _rule(betas: tuple[float, float], decay: float, lr: float, eps: float) -> Rule:
    beta1, beta2 = betas
    kept: dict[str, Tensor | float] = {"m": 0.0, "v": 0.0}
    t, product = 0, 1.0

    def momentum(step: int) -> float:
        return beta1 * (1 - 0.5 * math.pow(0.96, step * decay))

    def rule(gradient: Tensor, place: Tensor) -> Tensor:
        nonlocal t, product
        t += 1
        mu, following = momentum(t), momentum(t + 1)
        product *= mu
        m = kept["m"] = beta1 * kept["m"] + (1 - beta1) * gradient
        v = kept["v"] = beta2 * kept["v"] + (1 - beta2) * gradient.square()
        mixture = (1 - mu) / (1 - product) * gradient + following / (1 - product * following) * m
        return lr * mixture / ((v / (1 - beta2**t)).sqrt() + eps)

    return rule


def _require(subject: Subject, script: Gradient, along: str, **wanted: Any) -> None:
    """The walk from zero must take the course of the published formula, with the options `wanted`."""
    options = neutral(subject, **{**small_eps(subject), **wanted})
    betas = (0.8, 0.9) if wanted.keys() & {"betas", "beta1"} else betas_of(subject) or (0.0, 0.0)
    decay = float(options.get("momentum_decay", subject.option("momentum_decay", _PUBLISHED)))
    rtol = rounding(subject, 15 * _STEPS) + kept_in_float32(betas[1]) + kept_in_float32(betas[0])
    require_course(
        subject,
        script,
        [lambda: _rule(betas, decay, subject.lr or 0.0, eps_in(options))],
        steps=_STEPS,
        rtol=rtol + (0.0 if "eps" in options else 1e-5),
        along=along,
        options=options,
    )


@check(applies=all_of(_FAMILY, _plain))
def nadam_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient the steps of NAdam are those of its momentum schedule, however large the gradient is.

    Prevents: a product of momenta that forgets or is shared, a look-ahead that is left out, a schedule that misses one
    of the two shares. Criterion: from zero along gradients of 1e-3, 1 and 1e3, after each of 15 steps, with
    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), P_t the product of the momenta so far and v the corrected second
    moment: a step is lr / (sqrt(v) + eps) times (1 - mu_t) g / (1 - P_t) + mu_(t+1) m / (1 - P_(t+1)). Weight decay is
    off, eps 1e-12 where it is an option. Tolerance: 15 roundings a step, 2^-24 / (1 - beta) for rates and products kept
    in float32, and 1e-5 for an eps of 1e-8 beside gradients of 1e-3 where it cannot be set.
    """
    _require(subject, constant(subject, _MAGNITUDES), "a constant gradient")


@check(applies=all_of(_FAMILY, _plain))
def nadam_impulse_response(subject: Subject) -> None:
    """One gradient and then none: NAdam coasts on the share of its first moment alone.

    Prevents: shares of gradient and moment that are swapped or add up by chance, (1 - beta) forgotten or taken twice.
    Criterion: as nadam_constant_gradient, with zeros from the second step on.
    """
    _require(subject, impulse(subject), "zero gradients after a gradient of 1")


@check(applies=all_of(_FAMILY, _plain, _scheduled))
def nadam_momentum_schedule(subject: Subject) -> None:
    """The moment's share is that of the next momentum of the schedule, the gradient's that of the present one.

    Prevents: a schedule that is one step early or late, which with the published decay shows in the fifth digit only.
    Criterion: as nadam_constant_gradient, with betas (0.8, 0.9) and momentum_decay = 4, along a gradient of 10 and then
    ones.
    """
    script = impulse(subject, (10.0,), after=1.0)
    _require(subject, script, "ones after a gradient of 10, with momentum_decay=4", **_quick(subject))


@check(applies=all_of(_FAMILY, _plain, _damped), exempt=("eps_other",))
def nadam_eps(subject: Subject) -> None:
    """eps is added to the root of the corrected second moment.

    Prevents: eps inside the root, or added before the correction. Criterion: as nadam_constant_gradient, with eps = 0.5
    and gradients of 0.1, 1 and 10. Exemption: `eps_other`.
    """
    _require(subject, constant(subject, (0.1, 1.0, 10.0)), "gradients of 0.1, 1 and 10 with eps=0.5", eps=0.5)
