"""Dtypes: half precision, double precision, several in one group, complex numbers; and counters that count on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import (
    refused,
    require,
    require_close,
    require_equal,
    require_finite,
    require_refusal,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial, normal, tensors_of


@check(once=True, relaxed=("uses_param_values",))
def bf16(subject: Subject) -> None:
    """Parameters in bfloat16 keep their dtype, stay finite and follow the float64 run, and so does the state.

    Prevents: state that is updated in place by what was meant to be a temporary cast, a parameter turned into float32,
    a second moment that rounds to nothing. Criterion: 6 steps along gradients that are the same numbers in both runs;
    dtype kept; finite; every entry within 0.06 plus half of the longest way in its tensor of the float64 run (6
    roundings of a number below 4 are 0.05; the other half is for a sign that rounding has turned); every floating-point
    state tensor of two entries or more, where its key and shape are those of the float64 run, within 15 % of it in norm
    (6 roundings of 0.4 % each, and what they bring about in a normalized step; a state that is zero in float64 says
    nothing, and neither does one that is made of parameters, under `uses_param_values`: bfloat16 cannot take the small
    steps). Under `no_bf16` building or a step must raise a clear error instead. Under `stochastic` and `multi_closure`
    (a line search decides on roundings), and where a step differentiates the gradients (which must then depend on the
    place), only dtype and finiteness are looked at.
    """
    if subject.claimed("no_bf16"):
        require_refusal(lambda: Walk(subject.in_dtype(torch.bfloat16)).take(6), "bfloat16 parameters", claim="no_bf16")
        return
    _follows(subject, torch.bfloat16, 0.06)


def _eps_survives(subject: Subject) -> bool:
    """Is no eps of the optimizer zero in float16?"""
    for name, value in subject.keywords.items():
        for entry in value if isinstance(value, (tuple, list)) else [value]:
            if "eps" in name and isinstance(entry, float) and entry > 0 and not torch.tensor(entry).half().item():
                return False
    return True


@check(once=True, exempt=("no_fp16", "multi_closure"), applies=_eps_survives, relaxed=("uses_param_values",))
def fp16(subject: Subject) -> None:
    """Parameters in float16 keep their dtype, stay finite and follow the float64 run, and so does the state.

    Prevents: what bf16 prevents, and squares of gradients that leave the narrow range of float16. Criterion: that of
    bf16, with 0.02 in place of 0.06 (6 roundings of a number below 4 are 0.006). Not collected where an eps of the
    optimizer is zero in float16, as 1e-8 is: the division by it cannot work. Exemptions: `no_fp16`, which says that it
    does not work, not that it raises (when a square underflows depends on the gradients); `multi_closure`, for a line
    search divides by differences that underflow.
    """
    _follows(subject, torch.float16, 0.02)


def _follows(subject: Subject, dtype: torch.dtype, slack: float) -> None:
    low = subject.in_dtype(dtype)
    high = subject.in_dtype(torch.float32 if subject.claimed("no_fp64") else torch.float64)
    start = initial(low)
    # A line search and a second derivative need curvature; other methods are to see the same gradients in both dtypes.
    graph = subject.capabilities.needs_graph
    slope = 0.3 if graph or subject.claimed("multi_closure") else 0.0

    def rounded(t: int, index: int, p: Tensor) -> Tensor | None:
        draw = normal(subject.seed, "gradient", t, index, shape=tuple(p.shape)).to(p.device, dtype).to(p.dtype)
        return draw + slope * p

    coarse = Walk(low, start=start, gradient=rounded).take(6)
    name = str(dtype).removeprefix("torch.")
    for index, value in enumerate(coarse.values()):
        require(value.dtype == dtype, f"after 6 steps in {name}, tensor {index} is {value.dtype}")
    require_finite(coarse.values(), when=f"after 6 steps in {name}")
    if graph or subject.claimed("stochastic") or subject.claimed("multi_closure"):
        return
    fine = Walk(high, start=[value.to(high.dtype) for value in start], gradient=rounded).take(6)
    for index, (mine, theirs) in enumerate(zip(coarse.values(), fine.values(), strict=True)):
        way = float((theirs - start[index].to(high.dtype)).abs().max())
        require_close(
            [mine.to(high.dtype)],
            [theirs],
            rtol=0.0,
            atol=slack + 0.5 * way,
            when=f"after 6 steps in {name}, against float64, of tensor {index} (as 0)",
        )
        if subject.claimed("uses_param_values"):
            continue
        _state_follows(coarse.state_of(index), fine.state_of(index), index, name)


def _state_follows(coarse: Mapping[str, Any], fine: Mapping[str, Any], index: int, name: str) -> None:
    for key in coarse.keys() & fine.keys():
        mine, theirs = tensors_of(coarse[key]), tensors_of(fine[key])
        if [one.shape for one in mine] != [one.shape for one in theirs]:
            continue
        for found, expected in zip(mine, theirs, strict=True):
            if not expected.is_floating_point() or expected.numel() < 2:
                continue
            a, b = found.detach().to(torch.float64), expected.detach().to(torch.float64)
            norm, gap = float(b.norm()), float((a - b).norm())
            require(
                not norm or gap <= 0.15 * norm,
                f"after 6 steps in {name}, state {key!r} of tensor {index} differs from the float64 run by "
                f"{gap:.4g} in norm, which is {norm:.4g} there; 15 % is allowed",
            )


@check(once=True, exempt=("low_precision_state",), relaxed=("no_fp64",))
def float64_kept(subject: Subject) -> None:
    """A float64 parameter has float64 state, and steps of that precision.

    Prevents: state made with the default dtype, a cast to float32 on the way; resuming then changes the trajectory and
    numerical work in double precision is none. Criterion: after 3 steps in float64, every floating-point state tensor
    with as many entries as its parameter is float64, and the parameters are not all representable in float32. No
    tolerance. Under `no_fp64` building or a step must raise a clear error instead. Exemption: `low_precision_state`.
    """
    one = subject.in_dtype(torch.float64)
    if subject.claimed("no_fp64"):
        require_refusal(lambda: Walk(one).take(3), "float64 parameters", claim="no_fp64")
        return
    walk = Walk(one).take(3)
    for index, parameter in enumerate(walk.parameters):
        require(parameter.dtype == torch.float64, f"after 3 steps, float64 tensor {index} is {parameter.dtype}")
        for key, value in walk.state_of(index).items():
            for tensor in tensors_of(value):
                whole = tensor.is_floating_point() and tensor.numel() == parameter.numel()
                require(
                    not whole or tensor.dtype == torch.float64,
                    f"state {key!r} of tensor {index} is {tensor.dtype}, its parameter torch.float64",
                )
        value = parameter.detach()
        require(
            not torch.equal(value, value.to(torch.float32).to(torch.float64)),
            f"after 3 steps every entry of float64 tensor {index} is a float32 number: the step was rounded to float32",
        )


def _mixed(subject: Subject) -> list[torch.dtype]:
    dtypes = [torch.float32]
    if not subject.claimed("no_bf16"):
        dtypes.append(torch.bfloat16)
    if not subject.claimed("no_fp64"):
        dtypes.append(torch.float64)
    return dtypes


@check(
    once=True,
    exempt=("couples_params",),
    relaxed=("stochastic",),
    applies=lambda subject: len(_mixed(subject)) > 1,
)
def mixed_dtypes(subject: Subject) -> None:
    """Parameters of several dtypes in one group move as each would in an optimizer of its own.

    Prevents: a flat buffer or a list operation in the dtype of the first parameter, a constant made once and in one
    dtype: a model whose norms are float32 and whose matrices are bfloat16 is the usual case. Criterion: 6 steps of a
    group with float32, bfloat16 and float64 parameters (those that are supported) are equal to the bit to optimizers
    over one parameter each. No tolerance. Exemption: `couples_params`; not collected under `no_bf16` and `no_fp64`.
    Relaxed by `stochastic`: finite.
    """
    shape = subject.shapes[0]
    start = [initial(subject.in_dtype(dtype), [shape])[0] for dtype in _mixed(subject)]
    walk = Walk(subject, start=start).take(6)
    if subject.claimed("stochastic"):
        require_finite(walk.values(), when="after 6 steps of a group of several dtypes")
        return
    script = Script(subject.seed)
    for index, value in enumerate(start):
        alone = Walk(subject, start=[value], gradient=lambda t, _, p, k=index: script(t, k, p)).take(6)  # type: ignore[misc]
        dtype = str(value.dtype).removeprefix("torch.")
        when = f"after 6 steps, the {dtype} parameter of a mixed group against itself alone"
        require_equal(walk.values()[index : index + 1], alone.values(), when=when)


@check()
def complex_(subject: Subject) -> None:
    """A complex parameter moves as its real and imaginary parts would, or is refused with a clear error.

    Prevents: squares in place of squared magnitudes, an imaginary part that is dropped or never moves, phases that are
    treated as signs. Criterion: 13 steps of complex parameters (an odd number of steps of one size does not lead back)
    are close to those of the real ones that `view_as_real` makes of them, or turn along with parameters and gradients
    that are turned in the complex plane (as with z/|z| in place of a sign: there is more than one sound way); an
    optimizer that is not element-wise (its step on a matrix changes when the matrix is flattened) must only move and
    stay finite. Or building or the first step raises a clear error; under `no_complex` it must. Tolerance: rtol 1e-5,
    atol 1e-6 in complex64, 1e-10 and 1e-12 in complex128: the same arithmetic up to the order of a sum. Under
    `stochastic` the two runs need only be finite.
    """
    shapes = [shape for shape in subject.shapes if subject.accepts(len(shape) + 1)] or list(subject.shapes)
    reals = initial(subject, [(*shape, 2) for shape in shapes])
    script = Script(subject.seed)

    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, torch.view_as_real(p))
        return None if value is None else torch.view_as_complex(value)

    def walked() -> Walk:
        return Walk(subject, start=[torch.view_as_complex(value) for value in reals], gradient=gradient).take(1)

    if subject.claimed("no_complex"):
        require_refusal(walked, "complex parameters", claim="no_complex")
        return
    taken: list[Walk] = []
    if refused(lambda: taken.append(walked()), "complex parameters"):
        return
    found = [torch.view_as_real(value) for value in taken[0].take(12).values()]
    require_finite(found, when="after 13 steps of complex parameters, as real ones")
    for index, (old, new) in enumerate(zip(reals, found, strict=True)):
        for part, name in enumerate(("real", "imaginary")):
            require(not torch.equal(old[..., part], new[..., part]), f"the {name} part of tensor {index} has not moved")
    if subject.claimed("stochastic") or not _elementwise(subject, [tuple(value.shape) for value in reals]):
        return
    pair = Walk(subject, start=reals).take(13)
    rtol, atol = (1e-5, 1e-6) if subject.dtype == torch.float32 else (1e-10, 1e-12)
    if not _close(found, pair.values(), rtol, atol) and _turns_along(subject, reals, taken[0].values(), rtol, atol):
        return
    when = "after 13 steps of complex parameters, as real and imaginary parts"
    require_close(found, pair.values(), rtol=rtol, atol=atol, when=when)


def _turns_along(subject: Subject, reals: Sequence[Tensor], plain: Sequence[Tensor], rtol: float, atol: float) -> bool:
    """Do the same 13 steps, turned by an angle, come of parameters and gradients turned by it?"""
    turn = torch.polar(torch.tensor(1.0, dtype=subject.dtype), torch.tensor(0.7, dtype=subject.dtype))
    turn = turn.to(subject.device)
    script = Script(subject.seed)

    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, torch.view_as_real((p / turn).resolve_conj()))
        return None if value is None else torch.view_as_complex(value) * turn

    turned = Walk(subject, start=[torch.view_as_complex(value) * turn for value in reals], gradient=gradient).take(13)
    return _close(turned.values(), [value * turn for value in plain], 10 * rtol, 10 * atol)


def _close(found: Sequence[Tensor], expected: Sequence[Tensor], rtol: float, atol: float) -> bool:
    return all(torch.allclose(a, b, rtol=rtol, atol=atol) for a, b in zip(found, expected, strict=True))


def _elementwise(subject: Subject, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Are 3 steps of a tensor those of its entries in a row?"""
    if not all(subject.accepts(len(shape)) or len(shape) > 4 for shape in shapes) or not subject.accepts(1):
        return False
    start = initial(subject, shapes)
    script = Script(subject.seed, slope=0.0)
    whole = Walk(subject, start=start, gradient=script).take(3)

    def flat(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, p.reshape(shapes[index]))
        return None if value is None else value.flatten()

    row = Walk(subject, start=[value.flatten() for value in start], gradient=flat).take(3)
    return all(
        torch.allclose(a.flatten(), b, rtol=1e-5, atol=1e-7) for a, b in zip(whole.values(), row.values(), strict=True)
    )


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@check(once=True, exempt=("multi_closure",))
def step_counters(subject: Subject) -> None:
    """Counters of steps count on, in bfloat16 too, and after a checkpoint.

    Prevents: a counter kept in the dtype of the parameter or in the default dtype, which in bfloat16 stands still at
    256, and with it bias correction and schedules; a counter that loading casts to that dtype, or that begins again at
    some number. Criterion: with bfloat16 as default dtype and one bfloat16 parameter (float32 under `no_bf16`), every
    number in state and groups that rises by 1 in each of steps 3 to 5 falls in no step up to 320, rises by exactly 20
    from step 280 to 300, and by 20 in 20 further steps of a fresh optimizer that has loaded the state_dict. No
    tolerance. Exemption: `multi_closure`.
    """
    _ = subject.capabilities
    one = subject.in_dtype(torch.float32 if subject.claimed("no_bf16") else torch.bfloat16)
    shape = min(subject.shapes, key=len)
    with _default_dtype(torch.bfloat16):
        walk = Walk(one, shapes=[shape]).take(2)
        seen = [_numbers(walk)]
        for _ in range(3):
            seen.append(_numbers(walk.take(1)))
        rising = [{key for key in a if b.get(key, 0.0) - a[key] == 1} for a, b in pairwise(seen)]
        counters = sorted(set.intersection(*rising))
        if not counters:
            return
        before = _never_falling(walk, counters, 280 - walk.t)
        after = _never_falling(walk, counters, 20)
        _advanced(counters, before, after, "from step 280 to step 300")
        other = walk.resumed()
        _advanced(
            counters,
            after,
            _never_falling(other, counters, 20),
            "from step 300 to step 320, resumed at 300 from a state_dict,",
        )


def _never_falling(walk: Walk, counters: Sequence[str], steps: int) -> dict[str, float]:
    """The numbers after so many steps, in none of which a counter falls."""
    before = _numbers(walk)
    for _ in range(steps):
        after = _numbers(walk.take(1))
        for key in counters:
            old, new = before.get(key, float("nan")), after.get(key, float("nan"))
            require(not new < old, f"in step {walk.t} the counter {key} falls from {old:g} to {new:g}")
        before = after
    return before


def _advanced(counters: Sequence[str], before: Mapping[str, float], after: Mapping[str, float], when: str) -> None:
    for key in counters:
        found = after.get(key, float("nan")) - before[key]
        require(
            found == 20, f"{when} the counter {key} went from {before[key]:g} to {after.get(key)}; expected 20 more"
        )


def _numbers(walk: Walk) -> dict[str, float]:
    """Every single number in the state of the parameter and in its group, by where it is."""
    places = {"state": walk.state_of(0), "param_groups[0]": walk.groups[0]}
    return {
        f"{place}[{key!r}]": float(value)
        for place, entries in places.items()
        for key, value in entries.items()
        if (isinstance(value, (int, float)) and not isinstance(value, bool))
        or (isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex())
    }
