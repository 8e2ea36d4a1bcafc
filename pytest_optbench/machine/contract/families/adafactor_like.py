"""Adafactor (Shazeer and Stern 2018, algorithms 4 to 6): a second moment of rank one, and updates that are clipped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import (
    Rule,
    clear_of_zero,
    neutral,
    of_family,
    only,
    require_course,
    rounding,
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, initial, normal

_FAMILY = of_family("adafactor_like")
_STEPS = 8
_DECAYS = ("beta2_decay", "decay_rate")
_LIMITS = ("d", "clip_threshold")
"""What implementations call the exponent of the second moment's weight, and the greatest root mean square."""


def _value(subject: Subject, names: tuple[str, ...], otherwise: float) -> float:
    return float(next((subject.option(name) for name in names if subject.offers(name)), otherwise))


def _plain(subject: Subject) -> bool:
    """Without the first moment that some have as an option."""
    known = ("relative_step", "scale_parameter", "beta1", *_DECAYS, *_LIMITS)
    return not subject.option("beta1") and only(subject, *known)


def _limit(subject: Subject) -> str:
    """What the subject calls the clip, where it can be set to 1.25."""
    names = [name for name in _LIMITS if subject.offers(name) and subject.buildable(**{name: 1.25})]
    return names[0] if names else ""


def _rule(subject: Subject, limit: float, *, scaled: bool, fading: bool) -> Rule:
    """`scaled`: a step is in proportion to the root mean square of the parameter; `fading`: it falls with 1 / sqrt(t)
    where that is less than lr."""
    lr, decay = subject.lr or 0.0, _value(subject, _DECAYS, -0.8)
    eps = subject.option("eps")
    floor = float(eps[1]) if isinstance(eps, (tuple, list)) and len(eps) == 2 else 1e-3
    kept: dict[str, Tensor] = {}
    t = 0

    def averaged(name: str, value: Tensor) -> Tensor:
        kept[name] = torch.lerp(kept.get(name, torch.zeros_like(value)), value, t**decay)
        return kept[name]

    def rule(gradient: Tensor, place: Tensor) -> Tensor:
        nonlocal t
        t += 1
        square = gradient.square()
        if gradient.ndim > 1:
            rows = averaged("rows", square.mean(dim=-1, keepdim=True))
            moment = rows * averaged("columns", square.mean(dim=-2, keepdim=True)) / rows.mean(dim=-2, keepdim=True)
        else:
            moment = averaged("moment", square)
        update = gradient / moment.sqrt()
        size = min(lr, t**-0.5) if fading else lr
        if scaled:
            size *= max(floor, _root_mean_square(place))
        return size * update / max(1.0, _root_mean_square(update) / limit)

    return rule


def _root_mean_square(tensor: Tensor) -> float:
    return float(tensor.square().mean().sqrt())


def _require(subject: Subject, script: Gradient, along: str, **wanted: Any) -> None:
    """The walk must take the course of one of the published step sizes: lr itself, or in proportion to the parameter,
    as `scale_parameter` or `relative_step` says where there is one."""
    options = neutral(subject, **wanted)
    limit = float(next(iter(wanted.values()), _value(subject, _LIMITS, 1.0)))
    stated = subject.option("scale_parameter", subject.option("relative_step"))
    sizes = (stated,) if isinstance(stated, bool) else (True, False)
    require_course(
        subject,
        script,
        [
            lambda scaled=scaled, fading=fading: _rule(subject, limit, scaled=scaled, fading=fading)  # type: ignore[misc]
            for scaled in sizes
            for fading in (True, False)
        ],
        steps=_STEPS,
        rtol=rounding(subject, 30 * _STEPS) + 1e-6,
        along=along,
        options=options,
        start=initial(subject),
    )


@check(applies=all_of(_FAMILY, _plain))
def adafactor_rank_one(subject: Subject) -> None:
    """Along a constant gradient of rank one the factored second moment is exact, and every entry moves alike.

    Prevents: sums in place of means, a mean over too many dimensions, the factors of another pair of dimensions, a root
    that is missing. Criterion: gradients that are products of a row and a column, in each slice of the last two
    dimensions another one and 100 times as large, the same at each of 8 steps: in each step every entry moves by
    alpha_t against its gradient, where alpha_t is lr, or min(lr, 1 / sqrt(t)), or either times max(eps2, rms(p)).
    Weight decay is off. Tolerance: 1e-6 for a floor of eps1 under the moment, and 30 roundings a step, of the longest
    way, 2 of the parameter.
    """

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        shape = tuple(parameter.shape)
        if len(shape) < 2:
            product = normal(subject.seed, "factor", index, shape=shape)
        else:
            sizes = 100.0 ** (torch.arange(shape[0]) % 2).to(torch.float64) if len(shape) > 2 else torch.ones(1)
            rows = normal(subject.seed, "rows", index, shape=(*shape[:-1], 1))
            columns = normal(subject.seed, "columns", index, shape=(*shape[:-2], 1, shape[-1]))
            product = _clear(rows) * _clear(columns) * sizes.reshape(-1, *[1] * (len(shape) - 1))
        return _clear(product).to(dtype=parameter.dtype, device=parameter.device)

    _require(subject, script, "a constant gradient of rank one")


def _clear(tensor: Tensor) -> Tensor:
    """Farther from zero."""
    return tensor + 0.1 * tensor.sign()


@check(applies=all_of(_FAMILY, _plain))
def adafactor_second_moment(subject: Subject) -> None:
    """The second moment is the product of the averages of rows and columns, with the weight t^-0.8 for the newest.

    Prevents: a weight one step late or of another exponent, averages of which one stands still, a moment of vectors
    that the update overwrites. Criterion: along seeded normal gradients, after each of 8 steps: rows R and columns C of
    the squared gradient are averaged with the weight t^beta2_decay (-0.8 where that is no option), v = R C / mean(R)
    with the mean over the rows of the same slice, u = g / sqrt(v), and the step is alpha_t u / max(1, rms(u) / d) with
    alpha_t and the tolerance of adafactor_rank_one.
    """
    _require(subject, clear_of_zero(subject, 1.0), "seeded gradients")


@check(applies=all_of(_FAMILY, _plain, lambda subject: bool(_limit(subject))))
def adafactor_clipping(subject: Subject) -> None:
    """An update whose root mean square is above the threshold is scaled down to it, a smaller one is left alone.

    Prevents: a threshold that is multiplied where it divides, a clip that also scales up, or is skipped. Criterion: as
    adafactor_second_moment, with a threshold of 1.25, along gradients of which every third is 10 times as large.
    """
    plain = clear_of_zero(subject, 1.0)

    def script(t: int, index: int, parameter: Tensor) -> Tensor | None:
        gradient = plain(t, index, parameter)
        return None if gradient is None else gradient * (10.0 if t % 3 == 2 else 1.0)

    name = _limit(subject)
    _require(subject, script, f"seeded gradients, every third 10 times as large, with {name}=1.25", **{name: 1.25})
