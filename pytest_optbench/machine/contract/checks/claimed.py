"""Claimed: what is checked where it is claimed only: entries on their own, the scale of gradients, a steady step."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import number_of, require, require_close
from pytest_optbench.machine.contract.check import check, claims
from pytest_optbench.machine.contract.families.closed_form import (
    clear_of_zero,
    constant,
    float64,
    neutral,
    origin,
    rounding,
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial


@check(applies=claims("elementwise"))
def elementwise(subject: Subject) -> None:
    """Entries do not influence each other, wherever in a tensor they stand.

    Prevents: a norm, a mean or a factorization where every entry was to go its own way; broadcasting of a wrong shape.
    Criterion: 8 steps of the usual tensors. With the gradients of every second entry 1000 times as large and their
    signs changed in turn, the other entries go the same way; with the entries of each tensor in a seeded order and in
    another shape, all entries do. From zero and from normal values. Tolerance: 8 roundings a step of the largest of
    these entries, for entries at the end of a vector register are computed by other instructions.
    """
    for start in (origin(subject), initial(subject)):
        _require_independent(subject, start)
        _require_permutable(subject, start)


def _require_independent(subject: Subject, start: list[Tensor]) -> None:
    script = Script(subject.seed)

    def shouting(t: int, index: int, parameter: Tensor) -> Tensor | None:
        gradient = script(t, index, parameter)
        factor = 1000 if t % 2 else -1000
        return None if gradient is None else torch.where(_second(parameter).bool(), factor * gradient, gradient)

    quiet = Walk(subject, start=start, gradient=script).take(8).values()
    found = Walk(subject, start=start, gradient=shouting).take(8).values()
    for index, (mine, theirs) in enumerate(zip(found, quiet, strict=True)):
        others = ~_second(theirs).bool()
        atol = rounding(subject, 64) * float(theirs[others].abs().max()) if bool(others.any()) else 0.0
        expected = torch.where(others, theirs, mine)
        kind = "other entries' gradients 1000 times as large and in turn reversed"
        when = f"after 8 steps with {kind}"
        require_close([mine], [expected], rtol=0.0, atol=atol, when=when, indices=[index])


def _second(like: Tensor) -> Tensor:
    """1 at every second entry, 0 at the others; a scalar is an other."""
    return (torch.arange(like.numel(), device=like.device) % 2).reshape(like.shape)


def _require_permutable(subject: Subject, start: list[Tensor]) -> None:
    orders = [torch.randperm(v.numel(), generator=_seeded(subject, k)).to(v.device) for k, v in enumerate(start)]
    shapes = [_other_shape(subject, tuple(value.shape)) for value in start]

    def moved(index: int, value: Tensor) -> Tensor:
        return value.flatten()[orders[index]].reshape(shapes[index])

    script = Script(subject.seed)

    def permuted(t: int, index: int, parameter: Tensor) -> Tensor | None:
        back = torch.empty_like(start[index]).flatten()
        back[orders[index]] = parameter.flatten()
        gradient = script(t, index, back.reshape(start[index].shape))
        return None if gradient is None else moved(index, gradient)

    plain = Walk(subject, start=start, gradient=script).take(8)
    other = Walk(subject, start=[moved(index, value) for index, value in enumerate(start)], gradient=permuted).take(8)
    expected = [moved(index, value) for index, value in enumerate(plain.values())]
    for index, (mine, theirs) in enumerate(zip(other.values(), expected, strict=True)):
        atol = rounding(subject, 64) * float(theirs.abs().max())
        when = "after 8 steps, permuted and reshaped"
        require_close([mine], [theirs], rtol=0.0, atol=atol, when=when, indices=[index])


def _seeded(subject: Subject, index: int) -> torch.Generator:
    return torch.Generator().manual_seed(1000 * (subject.seed % 1000) + index)


def _other_shape(subject: Subject, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Another shape of as many entries that the constructor accepts."""
    count = int(torch.Size(shape).numel())
    choices = [(count,), (2, count // 2), (1, 2, count // 2), (2, 1, 1, count // 2), tuple(reversed(shape))]
    return next((one for one in choices if one != shape and subject.accepts(len(one)) and _size(one) == count), shape)


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


@check(applies=claims("scale"))
def gradient_scale(subject: Subject) -> None:
    """Gradients that are eight times as large give the same path, or one eight times as long, as is claimed.

    Prevents: a power of the gradient too many or too few, a clip, a floor. Criterion: 8 steps along seeded normal
    gradients of the scale 64 and of the scale 512, beside which an eps of 1e-8 is nothing, weight decay off; with
    `scale` = 'invariant' both paths are the same, with 'linear' the second is eight times the first. Tolerance: 1e-4 of
    the longest path of the tensor (a scale of 8 rounds nothing, but eps may be as large as 1e-3).
    """
    linear = subject.claims["scale"] == "linear"
    first, second = (_path(subject, scale) for scale in (64.0, 512.0))
    for index, (small, large) in enumerate(zip(first, second, strict=True)):
        expected = (8 if linear else 1) * small
        atol = 1e-4 * float(expected.abs().max())
        when = f"after 8 steps with gradients x 8, claimed {subject.claims['scale']!r}, of the path"
        require_close([large], [expected], rtol=0.0, atol=atol, when=when, indices=[index])


def _path(subject: Subject, scale: float) -> list[Tensor]:
    walk = Walk(subject, gradient=clear_of_zero(subject, scale), options=neutral(subject))
    before = float64(walk.values())
    walk.take(8)
    return [new - old for new, old in zip(float64(walk.values()), before, strict=True)]


@check(applies=claims("const_step"))
def closed_form_step(subject: Subject) -> None:
    """Along a constant gradient the steps have the claimed size: the first, the second and the 400th.

    Prevents: a bias correction that is wrong early or runs out late, a momentum with the wrong gain. Criterion: from
    zero along gradients of 1, each of these steps of every entry is `const_step` lr downhill, a number for all three or
    a list of one for each; along gradients of 4 likewise, times 4 where `scale` = 'linear' is claimed. Weight decay is
    off. Tolerance: 1e-3, and the rounding of the place in float32 beside a step.
    """
    stated = subject.claims["const_step"]
    sizes = dict(zip((1, 2, 400), stated if isinstance(stated, (list, tuple)) else [stated] * 3, strict=True))
    sign = 1.0 if subject.option("maximize") else -1.0
    shapes = subject.shapes[:1]
    for magnitude in (1.0, 4.0):
        gain = magnitude if subject.claims.get("scale") == "linear" else 1.0
        script = constant(subject, (magnitude,))
        walk = Walk(subject, start=origin(subject, shapes), gradient=script, options=neutral(subject))
        for step, size in sizes.items():
            walk.take(step - 1 - walk.t)
            before = float64(walk.values())
            walk.step()
            after = float64(walk.values())
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                gradient = script(0, index, new)
                assert gradient is not None
                found = (new - old) * gradient.sign() * sign
                expected = float(size) * gain * (subject.lr or 0.0)
                allowed = 1e-3 * abs(expected) + rounding(subject, 1) * float(new.abs().max())
                off = (found - expected).abs() > allowed
                require(
                    not bool(off.any()),
                    f"step {step} along a constant gradient of {magnitude:g} moved "
                    f"{number_of(int(off.sum()), 'entry', 'entries')} of tensor {index} {tuple(new.shape)} by "
                    f"{float(found[(found - expected).abs() == (found - expected).abs().max()][0]):.6g} downhill, "
                    f"expected {expected:.6g}",
                )
