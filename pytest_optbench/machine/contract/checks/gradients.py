"""Gradients: read, never written, never kept; a missing one leaves its parameter alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    number_of,
    require,
    require_equal,
    require_finite,
    same,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.culprit import culprit
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Script, Walk, renumbered

_LATE = 3
"""Steps without a gradient before the late one."""


@check()
def all_gradients_none(subject: Subject) -> None:
    """A step without any gradient changes nothing and does no harm.

    Prevents: a crash on a frozen model or on an empty list of gradients (a norm of nothing), and gradients made up for
    parameters that have none. Criterion: after a step in which every gradient is None, all parameters are equal to the
    bit and all gradients still None; in the six ordinary steps that follow, every entry is finite, and every tensor
    moves that moves in a fresh optimizer's first six. No tolerance.
    """
    walk = Walk(subject)
    start = walk.values()
    walk.step(lambda t, index, parameter: None)
    require_equal(walk.values(), start, when="after a step in which every gradient is None")
    for index, parameter in enumerate(walk.parameters):
        require(parameter.grad is None, f"a step made up a gradient for tensor {index}, which had none")
    walk.take(6)
    require_finite(walk.values(), when="after a step without gradients and six ordinary ones")
    ordinary = Walk(subject).take(6).values()
    for index, (new, old, usual) in enumerate(zip(walk.values(), start, ordinary, strict=True)):
        require(
            not same(new, old) or same(usual, old),
            f"after a step without gradients, tensor {index} does not move in six ordinary ones",
        )


@check(relaxed=("couples_params", "stochastic", "history"))
def one_gradient_none(subject: Subject) -> None:
    """A parameter without a gradient stays where it is, and the others go on as if it were not there.

    Prevents: weight decay and momentum applied to frozen layers, a step that ends at the first missing gradient, and
    lists of parameters and of states that run out of line. Criterion: for a parameter in the middle whose gradient is
    None, from the first step or after 3 ordinary ones, its value is equal to the bit and its gradient still None; the
    others are equal to the bit to those of an optimizer without it. No tolerance. Relaxed by `couples_params` and
    `stochastic` (the others may differ), and by `couples_params` with `history` (a shared direction may move it).
    """
    script = Script(subject.seed)
    missing = len(subject.shapes) // 2

    def without(t: int, index: int, parameter: Tensor) -> Tensor | None:
        return None if index == missing else script(t, index, parameter)

    walk = Walk(subject)
    start = walk.values()
    walk.take(3, without)
    _untouched(walk, missing, start[missing], "3 steps, all without its gradient")
    if not subject.claimed("couples_params") and not subject.claimed("stochastic"):
        others = [index for index in range(len(start)) if index != missing]
        apart = Walk(subject, start=[start[index] for index in others], gradient=renumbered(script, others)).take(3)
        found = walk.values()
        require_equal(
            [found[index] for index in others],
            apart.values(),
            when=f"after 3 steps in which tensor {missing} has no gradient, against an optimizer without it",
            indices=others,
        )
    if not (subject.claimed("couples_params") and subject.claimed("history")):
        walk = Walk(subject).take(3)
        old = walk.values()[missing]
        walk.take(2, without)
        _untouched(walk, missing, old, "3 ordinary steps and 2 without its gradient")


def _untouched(walk: Walk, index: int, old: Tensor, when: str) -> None:
    new = walk.values()[index]
    gap = (new - old).abs().max().item()
    require(same(new, old), f"after {when}, tensor {index} has moved by up to {gap:.6g}; expected not at all")
    require(walk.parameters[index].grad is None, f"after {when}, tensor {index} has a gradient that nobody gave it")


@check(relaxed=("global_step", "couples_params", "stochastic"))
def late_gradient(subject: Subject) -> None:
    """A parameter whose first gradient comes late starts then, as in a fresh optimizer.

    Prevents: a crash on state that was never made, and bias correction or warm-up taken from a counter of other
    parameters, which makes the first step of a thawed layer many times too large. Criterion: a parameter whose first
    gradient comes at step 4 takes 4 steps that are equal to the bit to those of a fresh optimizer over it alone. No
    tolerance. Relaxed by `global_step`, `couples_params` and `stochastic`: then it must stay finite, and move if the
    first tensor does.
    """
    script = Script(subject.seed)
    late = len(subject.shapes) // 2

    def gradient(t: int, index: int, parameter: Tensor) -> Tensor | None:
        return None if index == late and t < _LATE else script(t, index, parameter)

    walk = Walk(subject, gradient=gradient)
    first, start = walk.values()[0], walk.values()[late]
    walk.take(_LATE)
    fresh = Walk(subject, start=[start], gradient=renumbered(script, [late], delay=_LATE))
    excused = any(map(subject.claimed, ("global_step", "couples_params", "stochastic")))
    for _ in range(4):
        walk.step()
        if not excused:
            fresh.step()
            require_equal(
                walk.values()[late : late + 1],
                fresh.values(),
                when=f"with a first gradient at step {_LATE + 1}, after step {walk.t} and against a fresh optimizer",
                indices=[late],
            )
    require_finite(
        walk.values(), when=f"after {number_of(walk.t, 'step')}, one parameter with gradients from step {_LATE + 1}"
    )
    require(
        not same(walk.values()[late], start) or same(walk.values()[0], first),
        f"tensor {late} does not move in 4 steps after its late first gradient",
    )


@check()
def gradient_untouched(subject: Subject) -> None:
    """A step leaves every gradient as it found it: the same memory with the same values.

    Prevents: weight decay, clipping or negation done in place on `p.grad`, which corrupts gradient accumulation,
    logging, and whatever else reads the gradient after the step. Criterion: after each of 3 steps, with weight_decay 0
    and 0.1 and with maximize off and on where there are such options, every gradient is the same tensor at the same
    address with the same bits. Decay hides an in-place change, for it makes a new tensor first: hence both. With a
    closure, the gradients of its last call count. What needs differentiable gradients is not asked.
    """
    if subject.capabilities.needs_graph:
        return
    for options in _variations(subject):
        given = _Given(Script(subject.seed), sparse=subject.claimed("sparse_only"))
        walk = Walk(subject, options=options, gradient=given)
        for _ in range(3):
            walk.step()
            sentence = given.spoilt(walk)
            if sentence:
                setting = "".join(f" with {name}={value}" for name, value in options.items())
                raise ContractBroken(f"step {walk.t}{setting} {sentence}{_writer(subject, options, walk.t)}")


@dataclass
class _Given:
    """Hands out gradients and remembers each parameter's last: the tensor, its address and its values."""

    script: Gradient
    sparse: bool
    held: dict[int, tuple[Tensor, int, Tensor]] = field(default_factory=dict)

    def __call__(self, t: int, index: int, parameter: Tensor) -> Tensor | None:
        value = self.script(t, index, parameter)
        assert value is not None
        value = value.to_sparse(1) if self.sparse else value
        self.held[index] = (value, _address(value), value.clone())
        return value

    def spoilt(self, walk: Walk) -> str:
        """What has become of a gradient since it was handed out; empty where nothing has."""
        for index, (value, address, copied) in self.held.items():
            now = walk.parameters[index].grad
            if now is None:
                return f"took away the gradient of tensor {index}"
            if not _same(now, copied):
                how = "put another" if now is not value else "wrote to"
                gap = (now.to_dense() - copied.to_dense()).abs().max().item() if now.shape == copied.shape else 0.0
                return f"{how} p.grad of tensor {index}, which differs by up to {gap:.6g} from what it was"
            if now is not value or _address(now) != address:
                return f"put another tensor in place of p.grad of tensor {index}"
        return ""


def _same(mine: Tensor, theirs: Tensor) -> bool:
    if mine.is_sparse or theirs.is_sparse:
        return mine.layout == theirs.layout and same(mine.to_dense(), theirs.to_dense())
    return same(mine, theirs)


def _address(gradient: Tensor) -> int:
    return gradient._values().data_ptr() if gradient.is_sparse else gradient.data_ptr()


def _writer(subject: Subject, options: dict[str, object], step: int) -> str:
    """The line that spoils a gradient, found by going the same way again."""
    given = _Given(Script(subject.seed), sparse=subject.claimed("sparse_only"))
    walk = Walk(subject, options=options, gradient=given).take(step - 1)
    given.held.clear()
    return culprit(walk.step, lambda: bool(_handed_out(walk, given) and given.spoilt(walk)))


def _handed_out(walk: Walk, given: _Given) -> bool:
    """Has every parameter its gradient of this step?"""
    return len(given.held) == len(walk.parameters)


def _variations(subject: Subject) -> list[dict[str, object]]:
    decays: list[dict[str, object]] = [{}]
    if subject.offers("weight_decay"):
        decays = [{"weight_decay": value} for value in (0.0, 0.1) if subject.buildable(weight_decay=value)] or [{}]
    flips: list[dict[str, object]] = [{}]
    if subject.offers("maximize"):
        flips = [{"maximize": value} for value in (False, True) if subject.buildable(maximize=value)] or [{}]
    return [{**decay, **flip} for decay in decays for flip in flips]


@check()
def gradient_not_retained(subject: Subject) -> None:
    """No step keeps a hold on the memory of a gradient.

    Prevents: a momentum buffer that is the first gradient itself (`buffer = p.grad` without a copy) and changes under
    the optimizer's hands when the next backward pass writes there. Criterion: 5 steps with
    `zero_grad(set_to_none=False)` between them, every gradient in the memory of the one before, are equal to the bit to
    those with gradients in new memory. No tolerance. What needs differentiable gradients is not asked.
    """
    if subject.capabilities.needs_graph:
        return
    script = Script(subject.seed)
    buffers: dict[int, Tensor] = {}

    def refilled(t: int, index: int, parameter: Tensor) -> Tensor | None:
        value = script(t, index, parameter)
        assert value is not None
        if subject.claimed("sparse_only"):
            value = value.to_sparse(1).coalesce()
            buffer = buffers.setdefault(index, value)
            buffer._values().copy_(value._values())
            return buffer
        return buffers.setdefault(index, torch.empty_like(value)).copy_(value)

    kept, fresh = Walk(subject, gradient=refilled), Walk(subject, gradient=script)
    for _ in range(5):
        kept.step()
        if not subject.claimed("sparse_only"):  # there it takes the indices away
            kept.optimizer.zero_grad(set_to_none=False)
        fresh.step()
        fresh.optimizer.zero_grad(set_to_none=True)
        require_equal(
            kept.values(), fresh.values(), when=f"after step {kept.t} with gradients in the memory of earlier ones"
        )


@check()
def gradient_accumulation(subject: Subject) -> None:
    """Two backward passes that add up in `p.grad` lead where one pass over the sum leads.

    Prevents: a step taken from within a backward pass, a gradient read before it is complete, a sparse one that is not
    coalesced. Criterion: 4 steps, each after two backward passes of one half of the gradient, are equal to the bit to
    4 steps after one pass of the whole: a half and its sum are exact. What needs differentiable gradients is not asked.
    """
    if subject.capabilities.needs_graph:
        return
    parts, whole = Walk(subject), Walk(subject)
    for _ in range(4):
        _backward(parts, (0.5, 0.5))
        _backward(whole, (1.0,))
        require_equal(
            parts.values(), whole.values(), when=f"after step {parts.t} on gradients accumulated in two parts"
        )


def _backward(walk: Walk, shares: tuple[float, ...]) -> None:
    """One step on gradients that backward passes have left in p.grad, each a share of the script's."""
    capabilities = walk.subject.capabilities

    def evaluate() -> Tensor:
        walk.optimizer.zero_grad()
        gradients = [walk.gradient(walk.t, k, p.detach()) for k, p in enumerate(walk.parameters)]
        for share in shares:
            for parameter, gradient in zip(walk.parameters, gradients, strict=True):
                assert gradient is not None
                if walk.subject.claimed("sparse_only"):
                    part = (gradient * share).to_sparse(1)
                    parameter.grad = part if parameter.grad is None else parameter.grad + part
                else:
                    with torch.enable_grad():
                        (parameter * (gradient * share)).sum().backward()  # type: ignore[no-untyped-call]
        return walk.loss()

    with walk.randomly():
        if not capabilities.needs_closure or capabilities.gradient_before_closure:
            evaluate()
        closure: tuple[Callable[[], Tensor], ...] = (evaluate,) if capabilities.needs_closure else ()
        walk.optimizer.step(*closure)
    walk.t += 1


@check(once=True)
def zero_grad(subject: Subject) -> None:
    """`zero_grad()` removes every gradient; with `set_to_none=False` it fills it with zeros where it lies.

    Prevents: gradients that pile up from step to step because `zero_grad` misses a group, and an override that knows
    nothing of `set_to_none`. Criterion: after ordinary gradients, every `p.grad` is None by default and with
    `set_to_none=True`; with False it is the same tensor, all zeros.
    """
    walk = Walk(subject).take(2)
    ways: tuple[dict[str, bool], ...] = ({}, {"set_to_none": True}, {"set_to_none": False})
    for way in ways:
        call = f"zero_grad({', '.join(f'{name}={value}' for name, value in way.items())})"
        walk.assign(Script(subject.seed))
        held = [parameter.grad for parameter in walk.parameters]
        walk.optimizer.zero_grad(**way)
        for index, (parameter, old) in enumerate(zip(walk.parameters, held, strict=True)):
            now = parameter.grad
            if way.get("set_to_none", True):
                require(now is None, f"{call} left a gradient on tensor {index}; expected None")
                continue
            require(now is old, f"{call} put another object in place of the gradient of tensor {index}")
            assert now is not None
            most = now.detach().to_dense().abs().max().item()
            require(
                most == 0, f"{call} left entries up to {most:.6g} in the gradient of tensor {index}; expected zeros"
            )
