"""Methods that find the learning rate themselves: D-Adaptation (Defazio and Mishchenko 2023), Prodigy (2024)."""

from __future__ import annotations

import torch

from pytest_optbench.machine.contract.broken import require, require_finite
from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import neutral, of_family
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, normal

_FAMILY = of_family("parameter_free")


def _estimates(subject: Subject) -> bool:
    """Does a group hold the estimate of the distance, `d`, that begins at the option `d0`?"""
    return subject.offers("d0") and "d" in subject.sample.param_groups[0]


def _towards(subject: Subject) -> Gradient:
    """The gradients of a quadratic whose minimum is some 3 away in every entry, with a little noise."""
    sign = -1.0 if subject.option("maximize") else 1.0

    def script(t: int, index: int, parameter: torch.Tensor) -> torch.Tensor:
        noise = normal(subject.seed, "gradient", t, index, shape=tuple(parameter.shape)).to(parameter.device)
        return (sign * (parameter.to(torch.float64) - 3 + 0.1 * noise)).to(parameter.dtype)

    return script


@check(applies=all_of(_FAMILY, _estimates))
def estimate_never_decreases(subject: Subject) -> None:
    """The estimate of the distance to the solution never decreases.

    Prevents: an estimate that is replaced where the greatest so far is to be kept, from which a run does not recover.
    Criterion: along 60 steps towards a minimum some 3 away in every entry, the group's `d` is positive, finite and
    never lower than one step before. No tolerance.
    """
    walk = Walk(subject, gradient=_towards(subject))
    before = float(walk.groups[0]["d"])
    for step in range(1, 61):
        walk.step()
        now = float(walk.groups[0]["d"])
        require(now >= before > 0, f"step {step} took the estimate d from {before:.9g} to {now:.9g}; it may only grow")
        before = now
    require_finite(walk.values(), when="after 60 steps towards a minimum")


@check(applies=all_of(_FAMILY, _estimates), once=True)
def estimate_forgets_its_start(subject: Subject) -> None:
    """The estimate of the distance comes out alike, wherever it begins.

    Prevents: an estimate that does not grow, or that grows in proportion to its start: the learning rate would then
    only have got another name. Criterion: 200 steps of one tensor towards a minimum some 3 away in every entry, from d0
    = 1e-6 and from d0 = 1e-5: the estimates end within a factor of 3, and both have grown a hundredfold. The papers
    bound the estimate from above by the distance and show its growth only up to a constant; a tenth of the start must
    not stay.
    """
    ends = []
    for start in (1e-6, 1e-5):
        options = neutral(subject, d0=start)
        walk = Walk(subject, shapes=subject.shapes[:1], gradient=_towards(subject), options=options).take(200)
        ends.append(float(walk.groups[0]["d"]))
        require(
            ends[-1] > 100 * start,
            f"200 steps towards a minimum some 3 away took the estimate d from {start:g} to {ends[-1]:.6g} only",
        )
    low, high = sorted(ends)
    require(
        high < 3 * low,
        f"after 200 steps the estimate d is {ends[0]:.6g} from d0=1e-6 and {ends[1]:.6g} from d0=1e-5; "
        "expected the same within a factor of 3",
    )


@check(applies=all_of(_FAMILY, _estimates))
def estimate_ignores_loss_scale(subject: Subject) -> None:
    """A loss that is scaled gives the same estimate of the distance.

    Prevents: a numerator and a denominator of different powers of the gradient. Criterion: 30 steps with gradients
    scaled by 2^10 give the estimate of the unscaled ones within 1 %, weight decay off: powers of two round nothing, so
    that eps alone is seen, 1e-8 of gradients near 3, times a d of 1e-6 where it is multiplied by it.
    """
    script = _towards(subject)

    def scaled(t: int, index: int, parameter: torch.Tensor) -> torch.Tensor | None:
        gradient = script(t, index, parameter)
        return None if gradient is None else 2.0**10 * gradient

    options = neutral(subject)
    plain, other = (
        float(Walk(subject, gradient=gradient, options=options).take(30).groups[0]["d"])
        for gradient in (script, scaled)
    )
    require(
        abs(plain - other) <= 0.01 * plain,
        f"30 steps with gradients scaled by 1024 give the estimate d = {other:.6g}, unscaled {plain:.6g}",
    )
