"""Update: a step writes new values into the parameters' own memory."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pytest_optbench.machine.contract.broken import ContractBroken, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.culprit import culprit
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check()
def in_place(subject: Subject) -> None:
    """A step writes into the memory of each parameter, which stays the leaf that it was.

    Prevents: `p.data = ...` with a new tensor, after which tied weights, views, flattened buffers and captured graphs
    hold the old values; a parameter that changes its dtype, or becomes part of a graph. Criterion: after each of 3
    steps, and after eval() and train() where there are such modes, the address, dtype, shape, strides, requires_grad
    and is_leaf of every parameter are what they were, and a view taken before shows its values. No tolerance.
    """
    walk = Walk(subject)
    views = [parameter.detach().view(-1) for parameter in walk.parameters]
    before = [_traits(parameter) for parameter in walk.parameters]
    for _ in range(3):
        walk.step()
        _require(subject, walk, before, f"step {walk.t}")
    for mode in ("eval", "train"):
        getattr(walk, mode)()
        _require(subject, walk, before, f"{mode}() after step {walk.t}")
    values = [value.flatten() for value in walk.values()]
    require_equal(views, values, when="of views taken before 3 steps, against the parameters they show")


def _traits(parameter: Tensor) -> dict[str, Any]:
    return {
        "address": parameter.data_ptr(),
        "dtype": parameter.dtype,
        "shape": tuple(parameter.shape),
        "strides": parameter.stride(),
        "requires_grad": parameter.requires_grad,
        "is_leaf": parameter.is_leaf,
    }


def _require(subject: Subject, walk: Walk, before: list[dict[str, Any]], when: str) -> None:
    for index, (parameter, old) in enumerate(zip(walk.parameters, before, strict=True)):
        new = _traits(parameter)
        for name in old:
            if new[name] != old[name]:
                values = "" if name == "address" else f" from {old[name]} to {new[name]}"
                raise ContractBroken(
                    f"{when} changed the {name} of tensor {index}{values}{_writer(subject, index, name)}"
                )


def _writer(subject: Subject, index: int, name: str) -> str:
    """The line that does it in the first step; empty where the first does not."""
    walk = Walk(subject)
    old = _traits(walk.parameters[index])[name]
    return culprit(walk.step, lambda: bool(_traits(walk.parameters[index])[name] != old))
