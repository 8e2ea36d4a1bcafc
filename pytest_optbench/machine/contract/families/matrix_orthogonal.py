"""Orthogonal updates of matrices, as in Muon (Jordan et al. 2024): all singular values of a step are alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import number_of, require, require_finite
from pytest_optbench.machine.contract.check import Applies, all_of, check
from pytest_optbench.machine.contract.families.closed_form import float64, neutral, of_family, only, origin
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, normal

_SHAPES = ((8, 8), (24, 8), (8, 24))
_MATTERS_NOT = ("ns_steps", "ns_coefficients", "adjust_lr_fn")
"""Options that change how the momentum is made orthogonal, and not what is."""


def _orthogonal() -> Applies:
    """The family, or whatever claims that its updates of matrices are orthogonal."""
    family = of_family("matrix_orthogonal")
    return lambda subject: (family(subject) or subject.claimed("orthogonal")) and subject.accepts(2)


def _matrix(subject: Subject, key: object, rows: int, columns: int) -> Tensor:
    """Seeded orthogonal factors around singular values from 1 down to 1/8; float64."""
    rank = min(rows, columns)
    left = torch.linalg.qr(normal(subject.seed, "left", key, shape=(rows, rank)))[0]
    right = torch.linalg.qr(normal(subject.seed, "right", key, shape=(columns, rank)))[0]
    product: Tensor = (left * torch.linspace(1.0, 0.125, rank, dtype=torch.float64)) @ right.T
    return product


def _moved(subject: Subject, gradients: list[Tensor], steps: int = 1) -> list[Tensor]:
    """The path from zero, downhill counted as positive, along constant gradients."""
    sign = -1.0 if subject.option("maximize") else 1.0
    script: Gradient = lambda t, index, parameter: (sign * gradients[index]).to(parameter.device, parameter.dtype)  # noqa: E731
    start = origin(subject, [tuple(gradient.shape) for gradient in gradients])
    walk = Walk(subject, start=start, gradient=script, options=neutral(subject)).take(steps)
    require_finite(walk.values(), when=f"after {number_of(steps, 'step')} along well-conditioned gradients")
    return [-value.cpu() for value in float64(walk.values())]


@check(applies=_orthogonal())
def orthogonal_update(subject: Subject) -> None:
    """The first step of a matrix has nearly equal singular values, and goes downhill.

    Prevents: an orthogonalization that is skipped, runs along the wrong side of tall or wide matrices, loses its
    normalization, or is left out by a transpose. Criterion: for gradients of 8x8, 24x8 and 8x24 with singular values
    from 1 to 1/8, the greatest singular value of the first step is at most twice the smallest, and the cosine of step
    and negative gradient is above 0.6. The published quintic iteration leads singular values into [0.68, 1.14], a ratio
    of 1.7; the rest is for its bfloat16. An exact polar factor has a cosine of 0.93 to this gradient.
    """
    gradients = [_matrix(subject, shape, *shape) for shape in _SHAPES]
    for gradient, step in zip(gradients, _moved(subject, gradients), strict=True):
        shape = f"{gradient.shape[0]}x{gradient.shape[1]}"
        values = torch.linalg.svdvals(step)
        require(
            float(values[0]) <= 2 * float(values[-1]),
            f"the first step of a {shape} matrix has singular values from {float(values[-1]):.6g} to "
            f"{float(values[0]):.6g}; expected a ratio of at most 2",
        )
        cosine = float((gradient * step).sum() / (gradient.norm() * step.norm()))
        require(
            cosine > 0.6,
            f"the first step of a {shape} matrix has a cosine of {cosine:.3f} to the negative gradient; expected > 0.6",
        )


@check(applies=_orthogonal())
def orthogonal_shape_factor(subject: Subject) -> None:
    """The size of the step depends on the shape of the matrix by one of the published rules.

    Prevents: rows and columns mixed up, a root left out, the factor on one side of the transpose only. Criterion: the
    mean singular values of the first step for 24x8 and 8x24, in units of that for 8x8, are within 25 % of one of:
    (1, 1) no factor; (1.73, 1) sqrt(max(1, rows / columns)); (1.73, 1.73) sqrt(max(rows, columns));
    (1.73, 0.58) sqrt(rows / columns); (3, 3) max(rows, columns); (3, 1) max(1, rows / columns); (1.73, 1.73) also
    holds for a root of the number of entries. With the claim `shape_factor` it must be that rule. Where `adjust_lr_fn`
    is set it must be that rule and its size, lr x 0.2 sqrt(max(rows, columns)) for 'match_rms_adamw'. The tolerance is
    half the way between neighbours, and the mean of the singular values of the published iteration is within 15 % of
    one.
    """
    steps = _moved(subject, [_matrix(subject, shape, *shape) for shape in _SHAPES])
    square, tall, wide = (float(torch.linalg.svdvals(step).mean()) for step in steps)
    root = math.sqrt(3)
    rules = {
        "none": (1.0, 1.0),
        "sqrt(max(1, rows / columns))": (root, 1.0),
        "sqrt(max(rows, columns))": (root, root),
        "sqrt(rows / columns)": (root, 1 / root),
        "max(rows, columns)": (3.0, 3.0),
        "max(1, rows / columns)": (3.0, 1.0),
    }
    claimed = str(subject.claims.get("shape_factor", ""))
    rules = {claimed: rules[claimed]} if claimed else rules
    stated = {"original": "sqrt(max(1, rows / columns))", "match_rms_adamw": "sqrt(max(rows, columns))"}
    if subject.offers("adjust_lr_fn"):
        rule = stated.get(subject.option("adjust_lr_fn") or "original")
        rules = {rule: rules[rule]} if rule in rules else rules
        size = (subject.lr or 0.0) * (1.0 if rule != "sqrt(max(rows, columns))" else 0.2 * math.sqrt(8))
        require(
            rule is None or 0.75 * size < square < 1.25 * size,
            f"the first step of an 8x8 matrix has a mean singular value of {square:.6g}; expected about {size:.6g}",
        )
    fits = [
        name
        for name, (first, second) in rules.items()
        if 0.75 * first < tall / square < 1.25 * first and 0.75 * second < wide / square < 1.25 * second
    ]
    require(
        bool(fits),
        f"in units of an 8x8 matrix, the first step is {tall / square:.4g} for 24x8 and {wide / square:.4g} for 8x24; "
        "expected " + " or ".join(f"({a:.3g}, {b:.3g}) [{name}]" for name, (a, b) in rules.items()),
    )


@check(applies=_orthogonal())
def orthogonal_equivariance(subject: Subject) -> None:
    """Gradients that are rotated from the left and from the right give the rotated path.

    Prevents: an update that looks at entries, rows or columns in between, such as a norm along one side or a mask.
    Criterion: three steps along constant gradients of 8x8, 24x8 and 8x24, plain and rotated on both sides by seeded
    orthogonal matrices: the difference of the paths is below 15 % of their norm. An iteration in bfloat16 has three
    products in each of 5 rounds, each off by up to 2^-8 of the norm, 6 %, and lifts the small singular values in which
    these errors lie; an update that is not equivariant is off by more than half.
    """
    for (rows, columns), gap in zip(_SHAPES, _gaps(subject, 3), strict=True):
        require(
            gap < 0.15,
            f"the path of a {rows}x{columns} matrix, rotated on both sides, is off by {gap:.1%} of its norm after "
            "three steps; expected below 15 %",
        )


def _gaps(subject: Subject, steps: int) -> list[float]:
    """By shape, how far the path along gradients rotated on both sides is from the rotated path, in units of its
    norm."""
    gradients = [_matrix(subject, shape, *shape) for shape in _SHAPES]
    turns = [
        [
            torch.linalg.qr(normal(subject.seed, "turn", shape, side, shape=(size, size)))[0]
            for side, size in enumerate(shape)
        ]
        for shape in _SHAPES
    ]
    plain = _moved(subject, gradients, steps)
    turned = [left @ gradient @ right for gradient, (left, right) in zip(gradients, turns, strict=True)]
    rotated = _moved(subject, turned, steps)
    return [
        float((left @ step @ right - other).norm() / step.norm())
        for step, other, (left, right) in zip(plain, rotated, turns, strict=True)
    ]


def _accumulates(subject: Subject) -> bool:
    return isinstance(subject.option("momentum"), float) and only(subject, "momentum", "nesterov", *_MATTERS_NOT)


@check(applies=all_of(_orthogonal(), _accumulates))
def orthogonal_momentum(subject: Subject) -> None:
    """What is made orthogonal is the sum of all gradients, each weighed by the momentum to the power of its age.

    Prevents: a momentum that is averaged on one side of Nesterov's formula and summed on the other, which leaves the
    gradient next to no weight, one that is written over, or one of another decay. Criterion: along three seeded
    gradients of 8x8, 24x8 and 8x24, the third step is that of a fresh optimizer along v = g_3 + mu g_2 + mu^2 g_1, or
    with `nesterov` along g_3 + mu v, for an orthogonal update knows no scale; either, where that is no option, and mu
    is `momentum`, or 1 - momentum as Scion writes it. Tolerance: five times what a first step
    loses by its precision, as orthogonal_precision measures it, for what three steps add up, between 1 % and 15 % of
    the norm. One that is off in this way differs by 40 % and more.
    """
    given = [[_matrix(subject, (t, shape), *shape) for shape in _SHAPES] for t in range(3)]
    sign = -1.0 if subject.option("maximize") else 1.0
    script: Gradient = lambda t, index, p: (sign * given[t][index]).to(p.device, p.dtype)  # noqa: E731
    walk = Walk(subject, start=origin(subject, _SHAPES), gradient=script, options=neutral(subject)).take(2)
    before = float64(walk.values())
    walk.step()
    found = [(old - new).cpu() for old, new in zip(before, float64(walk.values()), strict=True)]
    momentum = float(subject.option("momentum"))
    stated = subject.option("nesterov")
    gaps = []
    for nesterov in (stated,) if isinstance(stated, bool) else (False, True):
        for mu in (momentum, 1 - momentum):
            sums = [third + mu * second + mu**2 * first for first, second, third in zip(*given, strict=True)]
            ahead = [third + mu * total for third, total in zip(given[2], sums, strict=True)]
            expected = _moved(subject, ahead if nesterov else sums)
            gaps.append(max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)))
    allowed = min(max(0.01, 5 * max(_gaps(subject, 1))), 0.15)
    require(
        min(gaps) < allowed,
        f"the third step is off by {gaps[0]:.1%} of its norm from a first one along the sum of all gradients, each "
        f"times {momentum:g} to the power of its age{', by Nesterov' if stated else ''}; expected below "
        f"{allowed:.0%}",
    )


@check(
    applies=all_of(_orthogonal(), lambda subject: not subject.claimed("no_fp64")),
    exempt=("low_precision_step",),
    once=True,
)
def orthogonal_precision(subject: Subject) -> None:
    """The step of a matrix in float64 is computed in float64, or in float32, unless a lower precision is claimed.

    Prevents: an iteration cast to bfloat16 that nobody asked for: three digits of every update are lost, and runs
    differ from machine to machine. Criterion: the first step along gradients of 8x8, 24x8 and 8x24 in float64 and along
    the same ones rotated on both sides differ by less than 0.1 % of the norm. Each of 15 products is off by 2^-24 in
    float32, and small singular values are lifted by 3.4 in each of 5 rounds: 15 x 480 x 2^-24 = 4e-4; in bfloat16
    already the first rounding is 2^-9 = 2e-3 of every entry. Exemption: `low_precision_step`.
    """
    gaps = _gaps(subject.in_dtype(torch.float64), 1)
    worst = max(gaps)
    rows, columns = _SHAPES[gaps.index(worst)]
    require(
        worst < 1e-3,
        f"the first step of a {rows}x{columns} matrix in float64, rotated on both sides, is off by {worst:.2%} of its "
        "norm; expected below 0.1 %: if a lower precision is meant, claim low_precision_step",
    )


def _convolutions(subject: Subject) -> bool:
    return subject.accepts(4) and subject.accepts(2)


@check(applies=all_of(lambda subject: subject.claimed("flatten"), _convolutions))
def conv_as_matrix(subject: Subject) -> None:
    """A convolution is handled as the matrix of its output channels.

    Prevents: a convolution that is reshaped along the wrong axis, skipped, or whose size counts its kernel. Criterion:
    three steps of a (5, 2, 3, 2) parameter are those of its (5, 12) reshape. Tolerance: 1 % of the norm, for the size
    of an update may be computed in another order, in bfloat16 (2^-8).
    """
    flat = _matrix(subject, "conv", 5, 12)
    one, other = _moved(subject, [flat.reshape(5, 2, 3, 2)], 3)[0], _moved(subject, [flat], 3)[0]
    gap = float((one.reshape(5, 12) - other).norm() / other.norm())
    require(
        gap < 0.01,
        f"after three steps a 5x2x3x2 parameter is off by {gap:.1%} of the norm from its 5x12 reshape; "
        "expected below 1 %",
    )
