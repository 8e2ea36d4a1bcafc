"""Gradient descent with momentum as torch defines it, dampened or in Nesterov's form: linear in the gradient."""

from __future__ import annotations

import torch
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
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, initial, normal

_FAMILY = of_family("sgd_like")
_MAGNITUDES = (0.25, 1.0, 8.0)


def _plain(subject: Subject) -> bool:
    return only(subject, "momentum", "beta", "dampening", "nesterov")


def _path(subject: Subject, steps: int, *, ongoing: bool, undampened: bool, nesterov: bool) -> list[float]:
    """The path after each step, in units of lr, along gradients of one (or one and then zeros)."""
    momentum = float(subject.option("momentum", subject.option("beta", 0.0)))
    stated = subject.option("dampening", 0.0)
    dampening = momentum if stated is True else float(stated)
    velocity, place, path = 0.0, 0.0, []
    for t in range(steps):
        gradient = 1.0 if ongoing or t == 0 else 0.0
        if momentum:
            fresh = gradient if t == 0 and undampened else (1 - dampening) * gradient
            velocity = momentum * velocity + fresh
            place += gradient + momentum * velocity if nesterov else velocity
        else:
            place += gradient
        path.append(place)
    return path


def _require_path(subject: Subject, script: Gradient, steps: int, *, ongoing: bool) -> None:
    """The walk from zero must have the path of torch's SGD, or of a velocity that begins with zero; of either form
    where the optimizer does not let one choose."""
    walk = Walk(subject, start=origin(subject), gradient=script, options=neutral(subject))
    forms = (bool(subject.option("nesterov")),) if subject.offers("nesterov") else (False, True)
    ways = [
        _path(subject, steps, ongoing=ongoing, undampened=undampened, nesterov=nesterov)
        for nesterov in forms
        for undampened in (True, False)
    ]
    rtol = rounding(subject, 8 * steps)
    possible = list(ways)
    for t in range(steps):
        walk.step()
        found = float64(walk.values())
        expected = [
            [
                downhill(subject) * (subject.lr or 0.0) * way[t] * pattern(subject, index, value.shape, _MAGNITUDES)
                for index, value in enumerate(found)
            ]
            for way in possible
        ]
        possible = [way for way, path in zip(possible, expected, strict=True) if _close(found, path, rtol)]
        if not possible:
            kind = "of a constant gradient" if ongoing else "of an impulse, then of zero gradients"
            require_close(found, expected[0], rtol=rtol, when=f"after step {t + 1} {kind}")


def _close(found: list[Tensor], expected: list[Tensor], rtol: float) -> bool:
    return all(torch.allclose(one, other, rtol=rtol, atol=0.0) for one, other in zip(found, expected, strict=True))


@check(applies=_FAMILY)
def sgd_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient every step of momentum is the geometric series it should be.

    Prevents: momentum that is averaged where it should add up or the reverse, dampening that is ignored, Nesterov's
    form taken from the old velocity. Criterion: from zero along gradients of 0.25, 1 and 8, the places after each of 8
    steps are -lr g times the sums of v_t = momentum v_(t-1) + (1 - dampening) g, or of g + momentum v_t with `nesterov`
    (either form throughout, where there is no such option); with `dampening` the velocity may begin with g itself
    (torch) or with the dampened one. A dampening of `True` means that of the momentum. Weight decay is off. Tolerance:
    8 roundings a step.
    """
    _require_path(subject, constant(subject, _MAGNITUDES), 8, ongoing=True)


@check(applies=all_of(_FAMILY, _plain))
def sgd_impulse_response(subject: Subject) -> None:
    """After one gradient, momentum lets it fade by exactly the factor momentum in each step.

    Prevents: a velocity that is rewritten by the Nesterov step, momentum applied twice or to the gradient. Criterion:
    as sgd_constant_gradient, with zeros from the second of 8 gradients on.
    """
    _require_path(subject, impulse(subject, _MAGNITUDES), 8, ongoing=False)


@check(applies=all_of(_FAMILY, _plain))
def sgd_superposition(subject: Subject) -> None:
    """The path along the sum of two sequences of gradients is the sum of their paths.

    Prevents: anything that is not linear in gradient descent: clipping, normalization, a threshold, an eps. Criterion:
    three walks of 6 steps from zero, along seeded normal gradients a and b that do not depend on the place, and along
    a + 100 b. Tolerance: 8 roundings a step, relative to the longest path of the tensor.
    """
    ends = []
    for first, second in ((1.0, 0.0), (0.0, 100.0), (1.0, 100.0)):
        script = _mixture(subject, first, second)
        ends.append(
            float64(Walk(subject, start=origin(subject), gradient=script, options=neutral(subject)).take(6).values())
        )
    for index, (one, other, both) in enumerate(zip(*ends, strict=True)):
        atol = rounding(subject, 48) * float(other.abs().max())
        when = "after 6 steps along the sum of two sequences of gradients"
        require_close([both], [one + other], rtol=0.0, atol=atol, when=when, indices=[index])


def _mixture(subject: Subject, first: float, second: float) -> Gradient:
    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        shape = tuple(parameter.shape)
        a = normal(subject.seed, "first", t, index, shape=shape)
        b = normal(subject.seed, "second", t, index, shape=shape)
        return (first * a + second * b).to(dtype=parameter.dtype, device=parameter.device)

    return script


@check(applies=all_of(_FAMILY, _plain))
def sgd_rotation(subject: Subject) -> None:
    """Rotated parameters with rotated gradients take the rotated path.

    Prevents: an update that treats coordinates one by one (a sign, a root, a per-entry scale) or that depends on the
    shape. Criterion: one vector of 12 entries (a 3 x 4 matrix where only matrices are accepted), 6 steps along seeded
    normal gradients; the same, all rotated by a seeded orthogonal matrix. Tolerance: 40 roundings for the
    products with the matrix and the steps, relative to the longest vector.
    """
    shape = (12,) if subject.accepts(1) else (3, 4)
    turn = torch.linalg.qr(normal(subject.seed, "turn", shape=(12, 12)))[0].to(subject.device)
    start = initial(subject, [shape])

    def rotated(values: Tensor) -> Tensor:
        product: Tensor = turn @ values.to(torch.float64).flatten()
        return product.reshape(shape)

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        return _fixed(subject, t, shape, parameter).to(parameter.dtype)

    def turned(t: int, index: int, parameter: Tensor) -> Tensor:
        return rotated(_fixed(subject, t, shape, parameter)).to(parameter.dtype)

    plain = Walk(subject, start=start, gradient=script, options=neutral(subject)).take(6).values()
    other = Walk(subject, start=[rotated(start[0]).to(subject.dtype)], gradient=turned, options=neutral(subject)).take(
        6
    )
    expected = rotated(plain[0])
    atol = rounding(subject, 40) * float(expected.abs().max() + 6 * 4 * (subject.lr or 0.0))
    require_close(float64(other.values()), [expected], rtol=0.0, atol=atol, when="after 6 steps, all rotated")


def _fixed(subject: Subject, t: int, shape: tuple[int, ...], parameter: Tensor) -> Tensor:
    return normal(subject.seed, "gradient", t, 0, shape=shape).to(parameter.device)
