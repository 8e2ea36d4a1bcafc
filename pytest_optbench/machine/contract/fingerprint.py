"""Making a fingerprint: an optimizer is led along a fixed script of gradients, and its steps are measured."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytest_optbench.machine.contract.alternatives import alternatives, merged
from pytest_optbench.machine.contract.subject import SHAPE_OF, Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, lowest_precision
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.words.fingerprint import (
    EVENTS,
    LEARNING_RATES,
    LEAST_TOLERANCE,
    LIMITS,
    SECOND_GROUP,
    STEPS,
    Fingerprint,
    Measured,
    measured,
)

_SLOTS: tuple[tuple[tuple[int, ...], tuple[int, ...], float], ...] = (
    ((7, 3), (7, 3), 1.0),
    ((3, 7), (3, 7), 1e-4),
    ((6,), (2, 5), 1e2),
    ((2, 3, 2, 2), (5, 2), 1e-2),
    ((4, 4), (4, 4), 1.0),
)
"""Of each tensor: its shape, the matrix in its place where only such are accepted, and the scale of its gradients."""
_JITTER = 1e-13
"""By how much, relative, gradients are moved to see what rounding does in float64: some hundred roundings."""
_MARGIN = 4.0
"""A rewrite may move more than the gradients are moved: several operations, each rounded otherwise."""
_WATCHED = 6
"""Steps that are watched for their precision."""
_SLOPE = 0.3


def fingerprint(subject: Subject) -> Fingerprint:
    """The fingerprint of a configuration. Exceptions of the optimizer come out as they are.

    Gradients and starting values are drawn by Python's own generator, so that they are the same in every version of
    torch and on every machine, and depend on nothing else; only for an optimizer that evaluates a closure or
    differentiates gradients do they have a part 0.3 p, without which there would be nothing to evaluate. Five tensors
    (tall, wide, a vector, a convolution, and a square one that comes late) have gradients from 1e-4 to 1e2, in two
    groups, the second with another value of every number that is a hyperparameter; what happens to them is in
    `words.fingerprint.EVENTS`.

    The tolerance is 1e-7 of a step unless rounding shows more: the script is played again with every gradient moved by
    1e-13, or by eps of the lowest precision in which the optimizer was seen to compute or to keep its state; four times
    the largest change of a tensor's steps, rounded up to 1, 2 or 5 times a power of ten, is then its tolerance, and
    four times that eps is the least. What the constructor refuses belongs to it, too: a limit that has been moved shows
    in no step.
    """
    subject = subject.in_dtype(torch.float32 if subject.claimed("no_fp64") else torch.float64)
    with isolated(), torch.enable_grad():
        plain, groups = _played_in_groups(subject)
        watch = _Watch(subject.dtype)
        with suppress(Exception), _uncompiled(), watch:  # what cannot be watched is taken to keep its precision
            _played(subject, groups, steps=_WATCHED, watch=watch)
        eps = torch.finfo(watch.lowest).eps if watch.lowest != torch.float64 else 0.0
        moved = _played(subject, groups, max(_JITTER, eps))
    least = max(LEAST_TOLERANCE, _round_number(_MARGIN * eps))
    return Fingerprint(
        tensors=tuple("x".join(map(str, shape)) or "scalar" for shape in _shapes(subject)),
        steps=plain.steps,
        tolerances=tuple(max(least, _round_number(_MARGIN * one)) for one in _responses(plain, moved)),
        floors=tuple(float(f"{floor:.0e}") for floor in plain.floors),
        refused=_refused(subject),
    )


def _refused(subject: Subject) -> dict[str, tuple[float, ...]]:
    """Which of the limits of most ranges the constructor refuses, for each number among the hyperparameters."""
    found: dict[str, tuple[float, ...]] = {}
    for name, value in subject.keywords.items():
        for entry, placed in _numbers(name, value):
            found[entry] = tuple(limit for limit in LIMITS if not subject.buildable(**{name: placed(limit)}))
    return found


def _numbers(name: str, value: Any) -> Iterator[tuple[str, Callable[[float], Any]]]:
    """The real numbers that a hyperparameter consists of, by name, each with what puts another in its place."""
    if isinstance(value, float):
        yield name, float
    elif isinstance(value, (tuple, list)) and all(isinstance(one, float) for one in value):
        for k in range(len(value)):
            yield f"{name}.{k}", partial(_placed, value, k)


def _placed(values: Sequence[float], position: int, value: float) -> Sequence[float]:
    placed = [*values[:position], value, *values[position + 1 :]]
    return placed if isinstance(values, list) else tuple(placed)


@dataclass(frozen=True)
class _Play:
    steps: tuple[tuple[Measured, ...], ...]
    floors: tuple[float, ...]

    @property
    def finite(self) -> bool:
        return all(number is not None for step in self.steps for one in step for number in one)


Groups = Sequence[tuple[Sequence[int], Mapping[str, Any]]]


def _played_in_groups(subject: Subject) -> tuple[_Play, Groups | None]:
    """The script with as many options of the second group as the optimizer takes and stays finite with, and the
    groups."""
    ways = [*_ways(subject)]
    for groups in ways[:-1]:
        with suppress(Exception):
            play = _played(subject, groups)
            if play.finite:
                return play, groups
    return _played(subject, ways[-1]), ways[-1]


def _ways(subject: Subject) -> Iterator[Groups | None]:
    """The groups, the most telling first: every number another, the decay alone, no options, a single group."""
    if not subject.claimed("one_group"):
        numbers: dict[str, Any] = {}
        for options in alternatives(subject).values():
            name, value = next(iter(options.items()))
            if not isinstance(value, bool) and name not in subject.claims.get("not_per_group", ()):
                numbers = merged(subject, numbers, options)
        first = [k for k in range(len(_SLOTS)) if k not in SECOND_GROUP]
        for names in (numbers.keys(), {"weight_decay"}, set()):
            yield [(first, {}), (SECOND_GROUP, {name: numbers[name] for name in numbers if name in names})]
    yield None


def _played(
    subject: Subject, groups: Groups | None, jitter: float = 0.0, steps: int = STEPS, watch: _Watch | None = None
) -> _Play:
    shapes = _shapes(subject)
    start = [_drawn("start", k, shape) for k, shape in enumerate(shapes)]
    walk = Walk(
        subject,
        start=[value.to(dtype=subject.dtype, device=subject.device) for value in start],
        gradient=_script(subject, jitter),
        groups=groups,
    )
    rates = [group.get("lr") for group in walk.groups]
    rates = [rate.item() if isinstance(rate, Tensor) else rate for rate in rates]
    sizes = [0.0] * len(shapes)
    found = []
    for t in range(1, steps + 1):
        for group, rate in zip(walk.groups, rates, strict=True):
            if t in LEARNING_RATES and isinstance(rate, (int, float)):
                _write(group, rate * LEARNING_RATES[t])
        before = walk.values()
        walk.step()
        after = walk.values()
        found.append(_measured(before, after))
        sizes = [max(size, _norm(value)) for size, value in zip(sizes, after, strict=True)]
    if subject.declared.train_eval:
        before = walk.values()
        walk.eval()
        found.append(_measured(before, walk.values()))
    if watch is not None:
        watch.look(lowest_precision(walk.optimizer.state, subject.dtype))
    return _Play(tuple(found), tuple(4 * torch.finfo(subject.dtype).eps * size for size in sizes))


def _write(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _script(subject: Subject, jitter: float) -> Gradient:
    capabilities = subject.capabilities
    slope = _SLOPE if capabilities.needs_closure or capabilities.needs_graph else 0.0

    @cache
    def fixed(t: int, index: int, shape: tuple[int, ...]) -> Tensor:
        noise = jitter * _drawn("jitter", index, shape, t) if jitter else 0.0
        return (_drawn("gradient", index, shape, t) * (1 + noise)).to(dtype=subject.dtype, device=subject.device)

    def gradient(t: int, index: int, parameter: Tensor) -> Tensor | None:
        factor: float | None = _SLOTS[index][2]
        for (first, last), (_, change) in EVENTS[index].items():
            if first <= t + 1 <= last:
                factor = None if change is None or factor is None else factor * change
        if factor is None:
            return None
        value = fixed(t, index, tuple(parameter.shape))
        return factor * value + (slope if factor else 0.0) * parameter if slope else factor * value

    return gradient


@cache
def _drawn(purpose: str, tensor: int, shape: tuple[int, ...], step: int = 0) -> Tensor:
    """Uniform between -1 and 1, the same in every version of Python and torch; not to be written to."""
    generator = random.Random(f"fingerprint {purpose} {tensor} {step}")
    values = [2 * generator.random() - 1 for _ in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


@cache
def _directions(tensor: int, count: int) -> Tensor:
    """Two directions of length 1, as rows."""
    rows = _drawn("directions", tensor, (2, count))
    directions: Tensor = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return directions


def _measured(before: Sequence[Tensor], after: Sequence[Tensor]) -> tuple[Measured, ...]:
    result = []
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        step = (new.to("cpu", torch.float64) - old.to("cpu", torch.float64)).flatten()
        result.append(measured([step.norm().item(), *(_directions(k, step.numel()) @ step).tolist()]))
    return tuple(result)


def _norm(value: Tensor) -> float:
    norm = value.to(torch.float64).norm().item()
    return norm if math.isfinite(norm) else 0.0


def _responses(plain: _Play, moved: _Play) -> list[float]:
    """Per tensor, the largest relative change of a step between two plays; infinite where only one is finite."""
    largest = [0.0] * len(_SLOTS)
    for mine, theirs in zip(plain.steps, moved.steps, strict=True):
        for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            norms = [value for value in (a[0], b[0]) if value is not None]
            for x, y in zip(a, b, strict=True):
                if x is None or y is None:
                    largest[k] = largest[k] if x is y else math.inf
                elif (gap := abs(x - y) - plain.floors[k] - moved.floors[k]) > 0:
                    largest[k] = max(largest[k], gap / max(norms))
    return largest


def _round_number(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten, at most 1."""
    if not value > 0:
        return 0.0
    below = math.floor(math.log10(min(value, 1.0)))
    return min(1.0, next(found for lead in (1, 2, 5, 10) if (found := float(f"{lead}e{below}")) >= min(value, 1.0)))


def _shapes(subject: Subject) -> list[tuple[int, ...]]:
    """The shapes of the tensors, as far as the constructor accepts them."""
    nearest = min(subject.declared.dimensions, key=lambda ndim: abs(ndim - 2))
    return [
        shape if subject.accepts(len(shape)) else matrix if subject.accepts(2) else SHAPE_OF[nearest]
        for shape, matrix, _ in _SLOTS
    ]


def _uncompiled() -> AbstractContextManager[Any]:
    """Runs compiled steps as they are written: what is compiled under a watch fails, and is then broken for good."""
    stance = getattr(torch.compiler, "set_stance", None) if "torch._dynamo" in sys.modules else None
    return stance("force_eager") if stance is not None else nullcontext()


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees the lowest precision of the tensors with which a step computes; single numbers do not count."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lowest = dtype

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves((args, kwargs, result)):
            if isinstance(one, Tensor) and one.is_floating_point() and one.numel() > 1:
                self.look(one.dtype)
        return result

    def look(self, dtype: torch.dtype) -> None:
        self.lowest = max(self.lowest, dtype, key=lambda one: torch.finfo(one).eps)
