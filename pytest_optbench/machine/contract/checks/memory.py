"""Memory: state that stays as large as it is, nothing kept that has been used, steps that stay as cheap."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_optbench.machine.contract.broken import require
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.checks.closures import takes_closure
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, tensors_of

GROWTH = 64
"""Bytes that state may grow by between steps 4 and 30: a few counters."""
KEPT = 2
"""Tensors that may be alive more than before: the last loss, the last gradient."""


@check(once=True, relaxed=("history",))
def state_bounded(subject: Subject) -> dict[str, float]:
    """State does not grow, is no larger than declared, and holds no graph.

    Prevents: a list that is appended to at every step, a buffer made anew beside the old one, state that keeps the
    graph of every step before it; memory that runs out after a day. Criterion: the storage of all tensors in state and
    groups is after 30 steps at most 64 bytes larger than after 4; no state tensor has a grad_fn or requires a gradient;
    under `slots` = n, state is at most n times as large as the parameters, tensors of a single entry left out. The
    measure `state_bytes_per_param` is its bytes, counted likewise, per entry of the parameters. Exemption: `history`
    (growth only).
    """
    walk = Walk(subject).take(4)
    early = _bytes(walk)
    walk.take(26)
    late = _bytes(walk)
    require(
        subject.claimed("history") or late <= early + GROWTH,
        f"state took {early} bytes after 4 steps and {late} after 30; at most {GROWTH} more are allowed",
    )
    for index in range(len(walk.parameters)):
        for key, value in walk.state_of(index).items():
            for tensor in tensors_of(value):
                require(
                    tensor.grad_fn is None and not tensor.requires_grad,
                    f"state {key!r} of tensor {index} "
                    + (f"has the grad_fn {tensor.grad_fn.name()}" if tensor.grad_fn else "requires a gradient"),
                )
    own = sum(parameter.numel() * parameter.element_size() for parameter in walk.parameters)
    if subject.claimed("slots"):
        slots = float(subject.claims["slots"])
        taken = _bytes(walk, least=2)
        sentence = f"state takes {taken} bytes for {own} of parameters; slots={slots:g} allows {slots * own:g}"
        require(taken <= slots * own, sentence)
    entries = sum(parameter.numel() for parameter in walk.parameters)
    return {"state_bytes_per_param": _bytes(walk, least=2) / entries}


def _bytes(walk: Walk, *, least: int = 0) -> int:
    """Storage of what state and groups hold, each counted once; of tensors with at least so many entries."""
    held = [tensor for one in walk.optimizer.state.values() for tensor in tensors_of(one)]
    for group in walk.groups:
        held += tensors_of({key: value for key, value in group.items() if key != "params"})
    storages = {
        tensor.untyped_storage().data_ptr(): tensor
        for tensor in held
        if tensor.numel() >= least and not tensor.is_sparse
    }
    own = {parameter.untyped_storage().data_ptr() for parameter in walk.parameters}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in storages.items() if place not in own)


def _bowl(subject: Subject) -> Gradient:
    """A gradient that costs the same number of operations in every step and is kept nowhere."""
    sign = -1.0 if subject.option("maximize") else 1.0
    return lambda t, index, p: p * (sign * (1 + t % 3))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, and remembers every tensor that one of them has made."""

    def __init__(self, *, remember: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.remember = remember
        self.operations = 0
        self.made: list[weakref.ref[Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        if self.remember:
            self.made += [weakref.ref(tensor) for tensor in tensors_of(result)]
        return result

    def alive(self) -> int:
        self.made = [reference for reference in self.made if reference() is not None]
        return len({id(reference()) for reference in self.made})


@check(once=True, exempt=("history",))
def no_leak(subject: Subject) -> None:
    """Steps keep no tensor that they do not need, nor the graph or the loss of a closure.

    Prevents: losses collected for a log with the graph behind them, gradients kept in a list, closures that hold each
    other; memory that grows by some kilobytes a step. Criterion: of all tensors made by any operation during 200 plain
    steps, at most 2 more are alive at the end than after 20; and of those made in 40 steps with a closure, which makes
    a loss and differentiates it, at most 2 more than after 20 (left out where `step` takes none). What only the garbage
    collector frees is freed. No parameter has a grad_fn. Exemption: `history`.
    """
    shape = min(subject.shapes, key=len)
    if not subject.capabilities.needs_closure:
        walk = Walk(subject, shapes=[shape], gradient=_bowl(subject))
        _steady(walk, lambda: walk.step() and None, early=20, late=200, how="plain steps")
    if not takes_closure(subject):
        return
    other = Walk(subject, shapes=[shape])
    _steady(other, lambda: _with_closure(other), early=20, late=40, how="steps with a closure")


def _with_closure(walk: Walk) -> None:
    sign = -0.5 if walk.subject.option("maximize") else 0.5

    def closure() -> Tensor:
        for parameter in walk.parameters:
            parameter.grad = None
        with torch.enable_grad():
            loss = torch.stack([sign * parameter.square().sum() for parameter in walk.parameters]).sum()
            if walk.subject.capabilities.needs_graph:  # backward() would have to warn of a cycle
                gradients = torch.autograd.grad(loss, walk.parameters, create_graph=True)
                for parameter, gradient in zip(walk.parameters, gradients, strict=True):
                    parameter.grad = gradient
            else:
                loss.backward()  # type: ignore[no-untyped-call]
        if walk.subject.claimed("sparse_only"):
            for parameter in walk.parameters:
                if parameter.grad is not None:
                    parameter.grad = parameter.grad.to_sparse(1)
        return loss

    if walk.subject.capabilities.gradient_before_closure:
        closure()
    with walk.randomly():
        walk.optimizer.step(closure)
    walk.t += 1
    walk.clear()


def _steady(walk: Walk, step: Callable[[], None], *, early: int, late: int, how: str) -> None:
    with _Watch(remember=True) as watch:
        for _ in range(early):
            step()
        watch.alive()
        before = watch.alive()
        for _ in range(late - early):
            step()
    after = watch.alive()
    if after > before + KEPT:
        gc.collect()
        after = watch.alive()
    require(
        after <= before + KEPT,
        f"of the tensors made in {how}, {before} were alive after {early} and {after} after {late}; "
        f"at most {KEPT} more are allowed",
    )
    for index, parameter in enumerate(walk.parameters):
        require(parameter.grad_fn is None, f"after {late} {how}, tensor {index} has a grad_fn: it is part of a graph")


@check(once=True, exempt=("history",))
def step_cost(subject: Subject) -> None:
    """A step takes no more operations late than early, nor after loading a state_dict.

    Prevents: a sum over all steps so far, a list that is gone through, hooks or copies that pile up; steps that slow
    down over a day. Criterion: operations that torch dispatches, counted for one small tensor; the cheapest of 10
    consecutive steps (some steps may refresh a preconditioner) takes no more from step 320 on than from step 20 on, nor
    in an optimizer that has loaded the state_dict. Counted, not timed: no tolerance. Exemption: `history`.
    """
    shape = min(subject.shapes, key=len)
    walk = Walk(subject, shapes=[shape], gradient=_bowl(subject)).take(19)
    early = _cheapest(walk)
    loaded = _cheapest(walk.resumed())
    require(
        loaded <= early, f"a step takes {early} operations, and {loaded} after loading a state_dict at step {walk.t}"
    )
    walk.take(319 - walk.t)
    late = _cheapest(walk)
    require(late <= early, f"a step takes {early} operations from step 20 on, and {late} from step 320 on")


def _cheapest(walk: Walk) -> int:
    counts: list[int] = []
    for _ in range(10):
        with _Watch() as watch:
            walk.step()
        counts.append(watch.operations)
    return min(counts)
