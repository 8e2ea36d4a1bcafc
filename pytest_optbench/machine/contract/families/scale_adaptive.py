"""Steps in proportion to the parameters: LAMB (You et al. 2020), LARS (2017), Adafactor (Shazeer and Stern 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require, require_close, require_finite
from pytest_optbench.machine.contract.check import all_of, check
from pytest_optbench.machine.contract.families.closed_form import constant, neutral, of_family, origin, small_eps
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk, initial, normal

_FAMILY = of_family("scale_adaptive")


@check(applies=all_of(_FAMILY, lambda subject: any(len(shape) >= 2 for shape in subject.shapes)))
def scale_reparametrization(subject: Subject) -> None:
    """A model whose weights are written in another unit, x = s y, is trained along the same path.

    Prevents: a trust ratio upside down, of the wrong norms, or lost: the very point of the family. Criterion: 5 steps
    from s p along the gradients g / s end at s times where those from p along g do, for s = 1/2 and s = 2, with normal
    gradients of the scale 16, above the usual clip of their global norm; matrices and convolutions only, for biases
    are commonly left out. Weight decay is off and eps 1e-12 where it can
    be. Tolerance: 1 % of the path of each tensor and 8 roundings of the place, for the floors and the eps (1e-6 in
    LAMB) beside gradients of 8 and more; a step that ignores the scale is off by half of the path.
    """
    options = neutral(subject, **small_eps(subject))
    start = [value / 2 for value in initial(subject, [shape for shape in subject.shapes if len(shape) >= 2])]

    def ends(scale: float) -> list[Tensor]:
        def script(t: int, index: int, parameter: Tensor) -> Tensor:
            draw = normal(subject.seed, "gradient", t, index, shape=tuple(parameter.shape))
            return (16 / scale * draw).to(dtype=parameter.dtype, device=parameter.device)

        walk = Walk(subject, start=[scale * value for value in start], gradient=script, options=options).take(5)
        return [value.to(torch.float64) / scale for value in walk.values()]

    plain = ends(1.0)
    for scale in (0.5, 2.0):
        for index, (mine, theirs, first) in enumerate(zip(ends(scale), plain, start, strict=True)):
            path = float((theirs - first).abs().max())
            atol = 0.01 * path + 8 * torch.finfo(subject.dtype).eps * float(theirs.abs().max())
            when = f"after 5 steps in units of {scale:g}, where the path is {path:.3g} long"
            require_close([mine], [theirs], rtol=0.0, atol=atol, when=when, indices=[index])


@check(applies=_FAMILY)
def scale_of_zero(subject: Subject) -> None:
    """A tensor of zeros gets going, for its trust ratio is one, or its scale has a floor.

    Prevents: biases and gates that start at zero and stay there, and the division of a norm by zero. Criterion: 3 steps
    from zero along gradients of one: finite, every entry has moved downhill, and none by more than 1000 lr
    (Adam without bias correction starts with steps of 30 lr; a norm of zero below the fraction gives millions).
    """
    walk = Walk(subject, start=origin(subject), gradient=constant(subject), options=neutral(subject)).take(3)
    require_finite(walk.values(), when="after 3 steps from zero")
    gradient = constant(subject)
    for index, value in enumerate(walk.values()):
        sign = gradient(0, index, value)
        assert sign is not None
        ahead = value * sign * (1 if subject.option("maximize") else -1)
        stuck = int((ahead <= 0).sum())
        require(
            stuck == 0,
            f"3 steps from zero left {stuck} of the {value.numel()} entries of tensor {index} {tuple(value.shape)} "
            "there, or led them uphill; expected all to move down",
        )
        farthest = float(ahead.max())
        require(
            farthest <= 1000 * (subject.lr or 0.0),
            f"3 steps from zero moved tensor {index} by {farthest:.6g}; expected at most 1000 lr, "
            f"{1000 * (subject.lr or 0.0):.6g}",
        )
