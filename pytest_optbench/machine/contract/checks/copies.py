"""Copies: deepcopy and pickle make an optimizer that goes on by itself."""

from __future__ import annotations

import copy
import pickle
import sys

import torch

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk, tensors_of


@check(once=True)
def deepcopy(subject: Subject) -> None:
    """A deep copy of parameters and optimizer goes on as the original does, and apart from it.

    Prevents: attributes that `__getstate__` leaves out, and state under the ids of the original's tensors. Criterion:
    after 3 steps, `copy.deepcopy((parameters, optimizer))`; 4 steps of the copy leave the original's parameters and
    state equal to the bit; then 4 steps of the original lead where the copy is. No tolerance.
    """
    walk = Walk(subject).take(3)
    walk.clear()
    other = _copied(walk, copy.deepcopy((walk.parameters, walk.optimizer)))
    start, state = walk.values(), [tensor.clone() for tensor in tensors_of(walk.optimizer.state)]
    other.take(4)
    require_equal(walk.values(), start, when="of an optimizer whose deep copy took 4 steps")
    require_equal(
        tensors_of(walk.optimizer.state), state, when="of the state of an optimizer whose deep copy took 4 steps"
    )
    walk.take(4)
    require_equal(other.values(), walk.values(), when="4 steps after a deep copy")


def _importable(subject: Subject) -> bool:
    """Can pickle find the class by its name? One that a function has made it cannot, whatever the class does."""
    made = type(subject.sample)
    found: object = sys.modules.get(made.__module__)
    for name in made.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is made


@check(once=True, applies=_importable, relaxed=("one_group",))
def pickle_(subject: Subject) -> None:
    """An optimizer that has been pickled together with its parameters goes on as the original does.

    Prevents: attributes that are not in `__getstate__`, or cannot be pickled, which breaks every launcher that sends
    its objects to another process. Criterion: after 3 steps, `loads(dumps((parameters, optimizer)))`; 4 steps of both
    are equal to the bit; unless `one_group` is claimed, a group added to the loaded one moves. No tolerance.
    """
    walk = Walk(subject).take(3)
    walk.clear()
    other = _copied(walk, pickle.loads(pickle.dumps((walk.parameters, walk.optimizer))))
    for _ in range(4):
        walk.step()
        other.step()
        require_equal(other.values(), walk.values(), when=f"in step {walk.t}, pickled after step 3")
    if subject.claimed("one_group"):
        return
    start = other.values()[0]
    added = torch.nn.Parameter(start.clone())
    other.optimizer.add_param_group({"params": [added]})
    other.parameters.append(added)
    other.train()
    other.take(4)
    usual = Walk(subject, start=[start], gradient=other.gradient).take(4).values()[0]
    require(
        not torch.equal(added.detach(), start) or torch.equal(usual, start),
        "a group that was added to a pickled optimizer does not move in 4 steps",
    )


def _copied(walk: Walk, copies: tuple[list[torch.nn.Parameter], torch.optim.Optimizer]) -> Walk:
    """A walk that leads the copies on from where this one is."""
    other = copy.copy(walk)
    other.parameters, other.optimizer = copies
    return other
