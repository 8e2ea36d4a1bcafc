"""Shapes: scalars, single entries, nothing at all, matrices, convolutions, and any layout in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    refused,
    require,
    require_close,
    require_finite,
    require_refusal,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial

Shape = tuple[int, ...]
STEPS = 9
"""A rectified method takes its first step after five; and an odd number of steps of one size does not lead back."""


@check(once=True, exempt=("sparse_only",))
def zero_dim(subject: Subject) -> None:
    """A parameter without dimensions moves and stays finite, or is refused at construction.

    Prevents: an index into a shape that is empty, a mean over no dimension, a matrix branch that takes whatever is not
    a vector: temperatures and gates are such parameters. Criterion: 9 steps, beside a parameter of the usual shape:
    finite, and every tensor has moved. Where `no_ndim` lists 0, or the constructor refuses it, the constructor must
    raise a clear error (a message, and a type that is meant for it). No tolerance. Exemption: `sparse_only`, for such
    a gradient cannot be sparse.
    """
    _moves(subject, ())


def _tiny(subject: Subject) -> list[str]:
    return ["1", "1x1", "1x5", "5x1"]


@check(over=_tiny)
def size_one(subject: Subject, shape: str) -> None:
    """Dimensions of size one are like any other.

    Prevents: a `squeeze` that takes a dimension too many, a variance over one entry, a factored second moment that
    divides by zero. Criterion: for the shapes 1, 1x1, 1x5 and 5x1 (one verdict each), 9 steps are finite and move the
    tensor; or `no_ndim` lists the number of dimensions, and the constructor raises a clear error. No tolerance.
    """
    _moves(subject, _shape(shape))


def _ordinary(subject: Subject) -> list[str]:
    return ["7x3", "3x7", "4x3x3x3", *(["3x2x2x2x2"] if subject.accepts(4) else [])]


@check(over=_ordinary)
def matrix_and_conv(subject: Subject, shape: str) -> None:
    """Tall and wide matrices and convolutions of two and three dimensions move and stay finite.

    Prevents: rows taken for columns, a transposed update, a reshape that works for squares only. Criterion: for the
    shapes 7x3, 3x7, 4x3x3x3 and 3x2x2x2x2 (one verdict each), 9 steps are finite and move the tensor; or `no_ndim`
    lists the number of dimensions, and the constructor raises a clear error. Five dimensions are tried where four are
    accepted. No tolerance.
    """
    _moves(subject, _shape(shape))


def _moves(subject: Subject, shape: Shape) -> None:
    what = f"a parameter of shape {list(shape)}"
    if not subject.accepts(len(shape)) and len(shape) <= 4:
        refusal = f"the constructor, given {what},"
        attempt = _construction(subject, shape)
        if len(shape) in subject.claims.get("no_ndim", ()):
            require_refusal(attempt, refusal, claim="no_ndim")
        else:
            require(refused(attempt, refusal), f"{refusal} raised at first and then did not")
        return
    if len(shape) > 4 and refused(_construction(subject, shape), f"the constructor, given {what},"):
        return
    walk = Walk(subject, shapes=[shape, *subject.shapes[:1]])
    start = walk.values()
    walk.take(STEPS)
    require_finite(walk.values(), when=f"after {STEPS} steps with {what}")
    for index, (old, new) in enumerate(zip(start, walk.values(), strict=True)):
        moved = not torch.equal(old, new)
        require(
            moved, f"{STEPS} steps did not move tensor {index} {list(new.shape)}, which began as {old.flatten()[0]:.6g}"
        )


def _construction(subject: Subject, shape: Shape) -> Callable[[], object]:
    return lambda: subject.build([torch.nn.Parameter(value) for value in initial(subject, [shape])])


def _shape(name: str) -> Shape:
    return tuple(map(int, name.split("x")))


def _empties(subject: Subject) -> list[str]:
    shapes = {1: "0", 2: "0x3"}
    return [shape for ndim, shape in shapes.items() if subject.accepts(ndim)]


@check(over=_empties)
def empty_parameter(subject: Subject, shape: str) -> None:
    """A parameter without elements is passed over; the others move as ever.

    Prevents: a mean over nothing that turns into NaN and spreads through a global norm, a division by the number of
    elements. Such parameters occur in sharded training and in models with a switched-off head. Criterion: with an
    empty vector or matrix (one verdict each) beside an ordinary parameter, 9 steps raise nothing, the ordinary one is
    finite and has moved, and `state_dict()` works. Under `no_empty` the constructor or a step must raise a clear error
    instead; where nothing is raised, the claim is out of date. No tolerance.
    """
    empty = _shape(shape)

    def taken() -> Walk:
        return Walk(subject, shapes=[empty, *subject.shapes[:1]]).take(STEPS)

    if subject.claimed("no_empty"):
        require_refusal(taken, f"an empty parameter of shape {list(empty)}", claim="no_empty")
        return
    start = initial(subject, [empty, *subject.shapes[:1]])[1]
    walk = taken()
    when = f"after {STEPS} steps beside an empty parameter of shape {list(empty)}"
    require_finite(walk.values()[1:], when=when)
    require(not torch.equal(walk.values()[1], start), f"{when}, the ordinary parameter has not moved")
    walk.optimizer.state_dict()


def _transposed(tensor: Tensor) -> Tensor:
    """The same values, stored in the opposite order of dimensions."""
    order = tuple(reversed(range(tensor.ndim)))
    return tensor.permute(order).contiguous().permute(order)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


_LAYOUTS: Mapping[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "parameters": (_transposed, torch.Tensor.contiguous),
    "gradients": (torch.Tensor.contiguous, _transposed),
    "both": (_transposed, _transposed),
    "channels_last": (_channels_last, _channels_last),
}
"""How parameters and how gradients are stored."""


def _layouts(subject: Subject) -> Sequence[str]:
    return [name for name in _LAYOUTS if name != "channels_last" or subject.accepts(4)]


@check(over=_layouts)
def memory_layout(subject: Subject, layout: str) -> None:
    """The order in which entries lie in memory does not matter.

    Prevents: a `view` of a transposed tensor, a fused kernel or a flat buffer that walks through parameter and gradient
    in different orders, tied or transposed weights and channels_last models that train on scrambled gradients.
    Criterion: 6 steps over transposed parameters, along transposed gradients, both, and in channels_last (one verdict
    each) are close to those over contiguous tensors. Tolerance: rtol 1e-5 and atol 1e-5 of the longest way that an
    entry went: sums over a tensor are taken in another order, of at most 24 terms with an error of 6e-8 each.
    """
    stored, given = _LAYOUTS[layout]
    script = Script(subject.seed)

    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        value = script(t, index, p)
        return None if value is None else given(value)

    start = initial(subject)
    walk = Walk(subject, start=[stored(value) for value in start], gradient=gradient).take(6)
    plain = Walk(subject, start=start).take(6)
    if subject.claimed("stochastic"):
        require_finite(walk.values(), when=f"after 6 steps with {layout} in another layout")
        return
    way = max(float((new - old).abs().max()) for new, old in zip(plain.values(), start, strict=True))
    if not way:
        raise ContractBroken("6 steps moved nothing")
    when = (
        f"after 6 steps with {layout} in another layout" if layout != "channels_last" else f"after 6 steps in {layout}"
    )
    require_close(walk.values(), plain.values(), rtol=1e-5, atol=1e-5 * way, when=when)
