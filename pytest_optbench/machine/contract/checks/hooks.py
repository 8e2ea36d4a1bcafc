"""Hooks: what torch's base class promises of every optimizer is there, and is called when it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch.optim import Optimizer

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check(once=True)
def hooks(subject: Subject) -> None:
    """It is a `torch.optim.Optimizer` whose step hooks run once for each step, before and after it.

    Prevents: an optimizer that does not call the base class's constructor, or wraps another and runs hooks twice, so
    that whatever counts steps by hooks (profilers, averaging of weights) counts wrong. Criterion: `isinstance`; repr
    holds the class's name; `defaults` is a dict; in each of 2 steps, two pre-hooks run once each in the order of their
    registration and see the old parameters, then two post-hooks, which see the new ones. Where one optimizer's `step`
    calls that of its base class, torch runs the hooks in both as soon as the base class has been used by itself; that
    is not held against it.
    """
    walk = Walk(subject)
    optimizer = walk.optimizer
    kind = type(optimizer)
    require(isinstance(optimizer, Optimizer), f"{kind.__name__} is not a torch.optim.Optimizer")
    require(kind.__name__ in repr(optimizer), f"repr() does not hold the class's name, {kind.__name__}")
    require(isinstance(optimizer.defaults, dict), f"defaults is a {type(optimizer.defaults).__name__}, not a dict")
    seen: list[str] = []
    found: dict[str, Any] = {}

    def note(word: str) -> Any:
        def hook(*_: Any) -> None:
            seen.append(word)
            found[word] = walk.values()

        return hook

    for word in ("pre 1", "pre 2"):
        optimizer.register_step_pre_hook(note(word))
    for word in ("post 1", "post 2"):
        optimizer.register_step_post_hook(note(word))
    expected = ["pre 1", "pre 2", "post 1", "post 2"]
    for _ in range(2):
        seen.clear()
        old = walk.values()
        with _base_classes_unused(kind):
            walk.step()
        require(seen == expected, f"in step {walk.t} the hooks ran as {seen or 'none'}; expected {expected}")
        require_equal(found["pre 1"], old, when=f"when the pre-hooks of step {walk.t} ran")
        require_equal(found["post 2"], walk.values(), when=f"when the post-hooks of step {walk.t} ran")


@contextmanager
def _base_classes_unused(kind: type) -> Iterator[None]:
    """Take off the wrappers that torch has put around the `step` of base classes, as if none had ever been built."""
    wrapped = {
        base: vars(base)["step"] for base in kind.__mro__[1:] if getattr(vars(base).get("step"), "hooked", False)
    }
    if "step" not in vars(kind):
        wrapped.pop(next((base for base in kind.__mro__ if "step" in vars(base)), kind), None)
    try:
        for base, step in wrapped.items():
            base.step = step.__wrapped__  # type: ignore[attr-defined]
        yield
    finally:
        for base, step in wrapped.items():
            base.step = step  # type: ignore[attr-defined]


@check(once=True)
def state_dict_hooks(subject: Subject) -> None:
    """Hooks around `state_dict()` and `load_state_dict()` run once each, in order.

    Prevents: overrides that forget `super()` and with it the hooks through which sharding and checkpoint libraries see
    the state. Criterion: one call of each runs its pre-hook, then its post-hook, once; what the post-hook of state_dict
    and the pre-hook of load_state_dict return is what is used. An optimizer without these methods is older than torch
    2.1's and is not one.
    """
    walk = Walk(subject).take(2)
    optimizer = walk.optimizer
    seen: list[str] = []

    def before_state(*_: Any) -> None:
        seen.append("state_dict pre")

    def after_state(_: Any, state: dict[str, Any]) -> dict[str, Any]:
        seen.append("state_dict post")
        return {**state, "mark": 1}

    def before_load(_: Any, state: dict[str, Any]) -> dict[str, Any]:
        seen.append("load pre")
        return {key: value for key, value in state.items() if key != "mark"}

    def after_load(*_: Any) -> None:
        seen.append("load post")

    optimizer.register_state_dict_pre_hook(before_state)
    optimizer.register_state_dict_post_hook(after_state)
    optimizer.register_load_state_dict_pre_hook(before_load)
    optimizer.register_load_state_dict_post_hook(after_load)
    state = optimizer.state_dict()
    require(
        seen == ["state_dict pre", "state_dict post"],
        f"state_dict() ran {_named(seen)}; expected its pre-hook and its post-hook, once each",
    )
    require(state.get("mark") == 1, "state_dict() does not return what its post-hook returned")
    seen.clear()
    optimizer.load_state_dict(state)
    require(
        seen == ["load pre", "load post"],
        f"load_state_dict() ran {_named(seen)}; expected its pre-hook and its post-hook, once each",
    )


def _named(seen: Sequence[str]) -> str:
    return f"the hooks {list(seen)}" if seen else "no hook"
