"""Preconditioning by one matrix per side, as in Shampoo (Gupta et al. 2018) and SOAP (Vyas et al. 2024)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import Applies, all_of, check
from pytest_optbench.machine.contract.families.closed_form import float64, neutral, of_family, origin
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, normal

_FAMILY = of_family("kronecker_preconditioned")
_SHAPES = ((4, 4), (3, 3))
"""Square, so that both sides have an eigenbasis: of a tall matrix the first gradient leaves one of them open."""
INTERVALS = (
    "precondition_frequency",
    "preconditioning_compute_steps",
    "preconditioner_update_freq",
    "precond_update_freq",
    "update_freq",
    "precondition_every",
    "interval",
)
"""What implementations call the number of steps between two refreshes of the preconditioner."""


def interval(subject: Subject) -> str:
    """The subject's name for the interval of refreshes; empty where it has none."""
    return next((name for name in INTERVALS if subject.offers(name) and _counts(subject, name)), "")


def _counts(subject: Subject, name: str) -> bool:
    return isinstance(subject.option(name), int) and subject.buildable(**{name: 5}) and subject.buildable(**{name: 7})


def _at_once(subject: Subject) -> dict[str, Any]:
    """Refresh the preconditioner at every step, from the first one on, and leave small matrices the shape they have."""
    now = {name: 1 for name in (interval(subject), "start_preconditioning_step") if name}
    return {**now, "merge_dims": False, "shape_interpretation": False}


def _matrices() -> Applies:
    return all_of(_FAMILY, lambda subject: subject.accepts(2))


def _rotations(subject: Subject) -> list[tuple[Tensor, Tensor]]:
    return [
        (
            torch.linalg.qr(normal(subject.seed, "left", index, shape=(rows, rows)))[0],
            torch.linalg.qr(normal(subject.seed, "right", index, shape=(columns, columns)))[0],
        )
        for index, (rows, columns) in enumerate(_SHAPES)
    ]


def _steps(subject: Subject, turns: list[tuple[Tensor, Tensor]] | None) -> list[list[Tensor]]:
    """The moves of each of the first 4 steps from zero that move, along seeded normal gradients, which are rotated on
    both sides; the rotation is taken out of the moves again."""

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        gradient = normal(subject.seed, "gradient", t, index, shape=_SHAPES[index])
        if turns is not None:
            gradient = turns[index][0] @ gradient @ turns[index][1]
        return gradient.to(dtype=parameter.dtype, device=parameter.device)

    walk = Walk(subject, start=origin(subject, _SHAPES), gradient=script, options=neutral(subject, **_at_once(subject)))
    walk.take(int(subject.claimed("first_step_init")))
    moves: list[list[Tensor]] = []
    before = float64(walk.values())
    for _ in range(4):
        walk.step()
        after = float64(walk.values())
        moves.append([(new - old).cpu() for old, new in zip(before, after, strict=True)])
        before = after
    if turns is not None:
        moves = [[left.T @ move @ right.T for move, (left, right) in zip(step, turns, strict=True)] for step in moves]
    return moves


@check(applies=_matrices())
def kronecker_equivariance(subject: Subject) -> None:
    """Gradients that are rotated from the left and from the right give rotated steps.

    Prevents: a preconditioner that sees one side only, is transposed, keeps its diagonal, or is applied in another
    basis than it was computed in. Both sides of a full preconditioner turn with the gradient, and Adam in its
    eigenbasis does not see the turn. Criterion: 4 steps from zero along seeded normal gradients of 4x4 and 3x3, the
    preconditioner refreshed at every step where there is an interval; plain and rotated on both sides by seeded
    orthogonal matrices, each step differs by less than 5 % of its norm. Roots and eigenbases of matrices with a
    condition of up to 1e6 lose five digits of float32; a one-sided or diagonal one is off by a third and more.
    """
    turns = _rotations(subject)
    for step, (plain, rotated) in enumerate(zip(_steps(subject, None), _steps(subject, turns), strict=True), start=1):
        for move, other in zip(plain, rotated, strict=True):
            gap = float((move - other).norm() / move.norm().clamp(min=1e-30))
            require(
                gap < 0.05,
                f"step {step} of a {move.shape[0]}x{move.shape[1]} matrix whose gradients are rotated on both sides is "
                f"off by {gap:.1%} of its norm from the rotated step; expected below 5 %",
            )


@check(applies=_matrices())
def kronecker_full_matrix(subject: Subject) -> None:
    """On a single row, along one constant gradient, the step has the gradient's direction, as full matrices have it.

    Prevents: a preconditioner that keeps its diagonal only, or is applied in another basis than its own. Criterion: for
    a row of 1x6, where the full-matrix forms of Adagrad and Adam keep the direction, the first 4 moving steps have a
    cosine above 0.99 to the negative gradient; eps is 1e-3 where it is an option, for Adam in an eigenbasis blows the
    rounding in the empty directions up to full steps otherwise. A per-entry method has the direction of the signs:
    0.74.
    """
    gradient = torch.tensor([[3.0, -1.0, 0.5, 0.25, 2.0, -0.125]], dtype=torch.float64)
    sign = -1.0 if subject.option("maximize") else 1.0
    script: Gradient = lambda t, index, parameter: (sign * gradient).to(parameter.device, parameter.dtype)  # noqa: E731
    eps = {"eps": 1e-3} if isinstance(subject.option("eps"), float) else {}
    walk = Walk(
        subject, start=origin(subject, [(1, 6)]), gradient=script, options=neutral(subject, **_at_once(subject), **eps)
    )
    walk.take(int(subject.claimed("first_step_init")))
    for step in range(1, 5):
        before = float64(walk.values())[0].cpu()
        walk.step()
        move = before - float64(walk.values())[0].cpu()
        cosine = float((move * gradient).sum() / (move.norm() * gradient.norm()).clamp(min=1e-30))
        require(
            cosine > 0.99,
            f"step {step} of a 1x6 matrix along a constant gradient has a cosine of {cosine:.4f} to its negative; "
            "expected above 0.99",
        )


@check(applies=_matrices())
def kronecker_whitens(subject: Subject) -> None:
    """Directions in which gradients are small catch up with those in which they are large.

    Prevents: a preconditioner that is computed and not applied, or has the wrong sign or order of its root. Criterion:
    4x4 gradients whose rows, in a rotated basis, are of the size 1, 1, 0.01 and 0.01: over the last 6 of 12 steps the
    moves in those directions differ by less than a factor of 30; the preconditioner is refreshed at every step from the
    first one where that is an option, and dimensions are not merged. Two-sided Shampoo takes the root of the ratio, 10,
    and SOAP evens it out, gradient descent keeps it at 100, and a per-entry method mixes the directions: it is not
    below 0.2 either.
    """
    turn = torch.linalg.qr(normal(subject.seed, "basis", shape=(4, 4)))[0]
    sizes = torch.tensor([1.0, 1.0, 0.01, 0.01], dtype=torch.float64)
    sign = -1.0 if subject.option("maximize") else 1.0

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        gradient: Tensor = turn @ (sizes[:, None] * normal(subject.seed, "rows", t, shape=(4, 4)))
        return (sign * gradient).to(dtype=parameter.dtype, device=parameter.device)

    options = neutral(subject, **_at_once(subject))
    walk = Walk(subject, start=origin(subject, [(4, 4)]), gradient=script, options=options).take(6)
    total = torch.zeros(4, dtype=torch.float64)
    for _ in range(6):
        before = float64(walk.values())[0].cpu()
        walk.step()
        total += (turn.T @ (float64(walk.values())[0].cpu() - before)).square().sum(1)
    large, small = total[:2].sum().sqrt(), total[2:].sum().sqrt()
    ratio = float(large / small.clamp(min=1e-30))
    require(
        0.2 < ratio < 30,
        f"steps are {ratio:.4g} times as large in directions in which gradients are 100 times as large; "
        "expected between 0.2 and 30 times",
    )


@check(applies=all_of(_matrices(), lambda subject: bool(interval(subject))))
def kronecker_refresh_interval(subject: Subject) -> None:
    """The preconditioner is refreshed when the interval says, not earlier.

    Prevents: an interval that is ignored (the cost of every step is then that of a refresh), counted per parameter, or
    off by one. Criterion: with intervals of 5 and of 7 the first 4 steps are equal to the bit, and later ones differ
    within 32 steps, unless preconditioning begins later by another option.
    """
    name = interval(subject)
    short, long = (Walk(subject, options=neutral(subject, **{name: value})) for value in (5, 7))
    for step in range(1, 5):
        short.step()
        long.step()
        require_equal(
            short.values(), long.values(), when=f"in step {step}, with {name}=5 in place of {name}=7, before either"
        )
    if subject.offers("start_preconditioning_step"):
        return
    short.take(28)
    long.take(28)
    differ = any(not torch.equal(mine, theirs) for mine, theirs in zip(short.values(), long.values(), strict=True))
    require(differ, f"32 steps with {name}=5 and with {name}=7 end at the same bits: the interval has no effect")


_BLOCKS = ((5,), (3, 3), (3, 3, 3), (2, 2, 2, 2))


def _blocks(subject: Subject) -> list[str]:
    return [str(len(shape)) for shape in _BLOCKS if subject.accepts(len(shape))] if _FAMILY(subject) else []


def _along(
    subject: Subject, shape: tuple[int, ...], make: Callable[[Tensor], Tensor], *, constant: bool = False
) -> list[Tensor]:
    """The first 3 moves from zero of one tensor along what is made of seeded normal gradients, in float64 (float32
    under `no_fp64`)."""
    one = subject if subject.claimed("no_fp64") else subject.in_dtype(torch.float64)

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        gradient = make(normal(subject.seed, "gradient", 0 if constant else t, index, shape=shape))
        return gradient.to(dtype=parameter.dtype, device=parameter.device)

    options = neutral(one, **_at_once(one))
    walk = Walk(one, start=origin(one, [shape]), gradient=script, options=options)
    walk.take(int(one.claimed("first_step_init")))
    places = [float64(walk.take(int(t > 0)).values())[0].cpu() for t in range(4)]
    return [new - old for old, new in itertools.pairwise(places)]


def _require_moves(found: list[Tensor], expected: list[Tensor], shape: tuple[int, ...], kind: str) -> None:
    for step, (mine, theirs) in enumerate(zip(found, expected, strict=True), start=1):
        gap = float((mine - theirs).norm() / theirs.norm().clamp(min=1e-30))
        size = "x".join(map(str, shape))
        require(
            gap < 0.05,
            f"step {step} of a tensor of {size} whose gradients are {kind} is off by {gap:.1%} of its norm; "
            "expected below 5 %",
        )


@check(over=_blocks)
def kronecker_exponents(subject: Subject, dimensions: str) -> None:
    """The exponents of all sides add up so that the scale of the gradients cancels, for every number of dimensions.

    Prevents: the root of a matrix for vectors and convolutions, too (-1/4 for each side in place of -1/2k for k sides),
    or half of it: the steps of one layer then grow with the loss and those of another shrink. Criterion: the first 3
    steps of a tensor with 1, 2, 3 and 4 dimensions, along a constant gradient of the scale 2^10 and of 2^20, differ by
    less than 5 % of their norm; the preconditioner is refreshed at every step where there is an interval. An eps of
    1e-2 beside eigenvalues of 2^20 times at least 1e-3 counts for less than 1e-4; a wrong exponent leaves a factor of
    32 and more.
    """
    shape = _BLOCKS[int(dimensions) - 1]
    small = _along(subject, shape, lambda gradient: 2.0**10 * gradient, constant=True)
    large = _along(subject, shape, lambda gradient: 2.0**20 * gradient, constant=True)
    _require_moves(large, small, shape, "2^10 times as large")


def _sided(subject: Subject) -> list[str]:
    return [part for part in _blocks(subject) if int(part) > 2]


@check(over=_sided, exempt=("flatten",))
def kronecker_every_side(subject: Subject, dimensions: str) -> None:
    """A tensor of three or four dimensions has a preconditioner for each of its sides.

    Prevents: gradients that are unfolded along the wrong side, which for a matrix is the transpose of the right one and
    does not show. Criterion: as kronecker_equivariance, on 3x3x3 and 2x2x2x2, 3 steps, rotated on all sides. Where
    convolutions are claimed to be handled as matrices (`flatten`) it does not apply.
    """
    shape = _BLOCKS[int(dimensions) - 1]
    turns = [
        torch.linalg.qr(normal(subject.seed, "side", side, shape=(size, size)))[0] for side, size in enumerate(shape)
    ]

    def turned(tensor: Tensor, *, back: bool = False) -> Tensor:
        for turn in turns:  # each product takes the first side off and puts the new one last
            tensor = torch.tensordot(tensor, turn if back else turn.T, dims=([0], [0]))
        return tensor

    rotated = [turned(move, back=True) for move in _along(subject, shape, turned)]
    _require_moves(rotated, _along(subject, shape, lambda gradient: gradient), shape, "rotated on all sides")
