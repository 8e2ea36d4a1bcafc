"""Batching: can `vmap` batch the functions of a task, and to the bit?"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree

from pytest_optbench.machine.tasks.task import Task, Tensors

LANES = (5, 2)
"""Numbers of seeds that must give the same bits when they are batched."""
_LONGEST = 160
"""Characters of an exception that a sentence quotes."""
Lane = tuple[Tensors, Tensors, Tensors]
"""Parameters, constants and a batch of one seed."""


def refusal(task: Task, lanes: Sequence[Lane]) -> str:
    """Why a seed needs a gradient of its own, as half a sentence; empty where `vmap` gives what every lane gives alone.

    A second pair of eyes for tasks whose code is not ours: an operation without a batching rule, control flow on
    values, a kernel that rounds by the number of lanes. Raises what the task itself raises.
    """
    alone = [task.gradient(*lanes[1]), task.evaluate(*lanes[1][:2], torch.zeros(()))]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="There is a performance drop")
            many, few = (_second(task, lanes[:count]) for count in LANES)
    except Exception as error:
        return f"vmap refuses it: {quoted(error)}"
    if not _all(torch.equal, many, few):
        return "a seed would get other bits with others beside it"
    if not _all(lambda a, b: torch.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True), many, alone):
        return "vmap gives another gradient"
    return ""


def _second(task: Task, lanes: Sequence[Lane]) -> list[Any]:
    """Gradient and evaluation of the second of the lanes, batched with the others."""
    parameters, constants, batch = (
        {name: torch.stack([part[name] for part in parts]) for name in parts[0]} for parts in zip(*lanes, strict=True)
    )
    found = (
        vmap(task.gradient)(parameters, constants, batch),
        vmap(task.evaluate)(parameters, constants, torch.zeros(len(lanes))),
    )
    return [pytree.tree_map(lambda tensor: tensor[1], one) for one in found]


def _all(alike: Callable[[Tensor, Tensor], bool], left: object, right: object) -> bool:
    pairs = zip(pytree.tree_leaves(left), pytree.tree_leaves(right), strict=True)
    return all(alike(a, b) for a, b in pairs)


def quoted(error: Exception) -> str:
    """What an exception says, on one line that is not too long."""
    missing = re.search(r"batching rule for ([\w:.]+?)\.? ", str(error))
    if missing:
        return f"there is no batching rule for {missing[1]}"
    line = " ".join(str(error).split())
    return f"{type(error).__name__}: {line if len(line) <= _LONGEST else f'{line[: _LONGEST - 3]}...'}"
