"""Closures: `step(closure)` evaluates it and takes the step that a plain one would take."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check(once=True, relaxed=("multi_closure",))
def closure(subject: Subject) -> None:
    """`step(closure)` runs the closure once, with gradients enabled, and returns its value.

    Prevents: a closure under `no_grad`, in which backward raises; one that is run twice, which doubles the cost and
    moves batch statistics; a loss that is lost on the way to the training loop; a step that leaves gradients switched
    off. Criterion: in each of 2 steps, taken with gradients on and off, the closure runs once, with gradients enabled;
    step returns what it returned to a relative 1e-6 (a value may pass through float32); `step()` without one returns
    None; the grad mode afterwards is the mode before; or a closure is refused with a NotImplementedError. Relaxed by
    `multi_closure` (it may run more often, and any of its values may come back). What needs one has no plain step.
    """
    require(_names_closure(subject), "step() takes no closure; expected step(closure=None), as training loops call it")
    walk = Walk(subject)
    for mode in (True, False) if takes_closure(subject) else ():
        seen: list[tuple[bool, float]] = []
        with torch.set_grad_enabled(mode):
            result = _step(walk, seen)
            after = torch.is_grad_enabled()
        require(after == mode, f"step(closure) was called with grad mode {mode} and left it at {after}")
        require(bool(seen), "step(closure) never ran the closure")
        require(
            len(seen) == 1 or subject.claimed("multi_closure"),
            f"step(closure) ran the closure {len(seen)} times; expected once",
        )
        require(all(enabled for enabled, _ in seen), "step(closure) ran the closure with gradients disabled")
        require(result is not None, f"step(closure) returned None; expected the closure's value, {seen[0][1]:.9g}")
        values = [value for _, value in seen]
        require(
            any(abs(float(result) - value) <= 1e-6 * abs(value) for value in values),
            f"step(closure) returned {float(result):.9g}; expected the closure's value, {values[0]:.9g}",
        )
    if not subject.capabilities.needs_closure:
        for mode in (True, False):
            walk = Walk(subject)
            with torch.set_grad_enabled(mode):
                result = walk.step()
                after = torch.is_grad_enabled()
            require(result is None, f"step() without a closure returned {result!r}; expected None")
            require(after == mode, f"step() was called with grad mode {mode} and left it at {after}")


def takes_closure(subject: Subject) -> bool:
    """Can `step` be called with a closure? Not where its signature has none, or a NotImplementedError refuses it."""
    if not _names_closure(subject):
        return False
    try:
        _step(Walk(subject), [])
    except NotImplementedError as refusal:
        return not str(refusal)
    except Exception:  # a fault, for the check of closures to show
        return True
    return True


def _names_closure(subject: Subject) -> bool:
    try:
        inspect.signature(subject.sample.step).bind(lambda: None)
    except TypeError:
        return False
    except ValueError:  # nothing to read it from
        return True
    return True


def _step(walk: Walk, seen: list[tuple[bool, float]]) -> Any:
    """One step with a closure that notes the grad mode and its loss; returns what step returned."""

    def evaluate() -> Tensor:
        enabled = torch.is_grad_enabled()
        loss = walk.evaluate()
        seen.append((enabled, loss.item()))
        return loss

    with walk.randomly():
        if walk.subject.capabilities.gradient_before_closure:
            walk.assign(walk.gradient)
        result = walk.optimizer.step(evaluate)
    walk.t += 1
    if walk.subject.capabilities.needs_graph:
        walk.clear()
    return result


@check(applies=lambda subject: not subject.declared.needs_closure, exempt=("multi_closure",))
def closure_equals_plain(subject: Subject) -> None:
    """A step with a closure is the step that follows the same backward pass.

    Prevents: a closure evaluated after the update, so that every step uses the gradient of the one before, and code
    that is reached in one of the two ways only. Criterion: 4 steps with a closure are equal to the bit to 4 of backward
    and `step()`. No tolerance. Exemption: `multi_closure`; what needs a closure, or takes none, has nothing to compare.
    """
    if subject.capabilities.needs_closure or not takes_closure(subject):
        return
    called, plain = Walk(subject), Walk(subject)
    for _ in range(4):
        _step(called, [])
        plain.step()
        require_equal(
            called.values(), plain.values(), when=f"after step {plain.t} with a closure, against backward and step()"
        )
