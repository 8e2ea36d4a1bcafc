"""A closed form: the scripted gradients, the neutral options and the tolerances that the families' checks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.check import Applies
from pytest_optbench.machine.contract.subject import VARIANTS, Subject
from pytest_optbench.machine.contract.walk import Gradient, normal

INDIFFERENT = (*VARIANTS, "lr", "weight_decay", "decoupled_weight_decay", "maximize", "eps", "dtype", "device")
"""Options that every family knows what to make of."""


def of_family(name: str) -> Applies:
    """Applies to a configuration of this family that has a learning rate."""
    return lambda subject: subject.family == name and subject.lr is not None


def only(subject: Subject, *known: str) -> bool:
    """Does the configuration set nothing but these options and the indifferent ones?

    Of a variant (cautious, rectified, clipped) only what holds for all members of the family can be asked.
    """
    return all(name in (*INDIFFERENT, *known) for name in subject.options)


def neutral(subject: Subject, **wanted: Any) -> dict[str, Any]:
    """The options that take weight decay out of a closed form, and those `wanted`, as far as the constructor has them
    and takes them."""
    chosen: dict[str, Any] = {}
    for name, value in {"weight_decay": 0.0, **wanted}.items():
        if subject.offers(name) and subject.buildable(**chosen, **{name: value}):
            chosen[name] = value
    return chosen


def small_eps(subject: Subject) -> dict[str, Any]:
    """An eps that is too small to be seen beside gradients from 1e-4 to 1e4; nothing where eps is no plain number."""
    return {"eps": 1e-12} if isinstance(subject.option("eps"), float) else {}


def downhill(subject: Subject) -> float:
    """The sign of a step along a positive gradient: -1, or 1 where the configuration maximizes."""
    return 1.0 if subject.option("maximize") else -1.0


def origin(subject: Subject, shapes: Sequence[tuple[int, ...]] | None = None) -> list[Tensor]:
    """Parameters of zero: what they are later is the path itself, with no other rounding than its own."""
    chosen = subject.shapes if shapes is None else shapes
    return [torch.zeros(shape, dtype=subject.dtype, device=subject.device) for shape in chosen]


def pattern(subject: Subject, index: int, shape: Sequence[int], magnitudes: Sequence[float] = (1.0,)) -> Tensor:
    """A fixed gradient: entries of both signs that take turns through the magnitudes, never zero; float64."""
    count = int(torch.Size(shape).numel())
    values = [magnitudes[(k + index) % len(magnitudes)] * (-1.0) ** (k // len(magnitudes)) for k in range(count)]
    return torch.tensor(values, dtype=torch.float64, device=subject.device).reshape(tuple(shape))


def constant(subject: Subject, magnitudes: Sequence[float] = (1.0,)) -> Gradient:
    """The pattern, at every step."""
    known: dict[tuple[int, torch.Size], Tensor] = {}

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        key = index, parameter.shape
        if key not in known:
            known[key] = pattern(subject, index, parameter.shape, magnitudes)
        return known[key].to(parameter.dtype, copy=True)

    return script


def impulse(subject: Subject, magnitudes: Sequence[float] = (1.0,), *, after: float = 0.0) -> Gradient:
    """The pattern at the first step, then `after` with the pattern's signs."""

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        first = pattern(subject, index, parameter.shape, magnitudes)
        return (first if t == 0 else after * first.sign()).to(parameter.dtype)

    return script


def clear_of_zero(subject: Subject, scale: float) -> Gradient:
    """Seeded normal gradients, each 0.1 farther from zero, times the scale: none that an eps could be beside."""

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        draw = normal(subject.seed, "gradient", t, index, shape=tuple(parameter.shape))
        return (scale * (draw + 0.1 * draw.sign())).to(dtype=parameter.dtype, device=parameter.device)

    return script


def paths(
    subject: Subject, size: float, magnitudes: Sequence[float] = (1.0,), shapes: Sequence[tuple[int, ...]] | None = None
) -> list[Tensor]:
    """Where a walk from the origin has come to whose entries have all gone `size` lr, down the pattern's signs."""
    length = downhill(subject) * (subject.lr or 0.0) * size
    chosen = subject.shapes if shapes is None else shapes
    return [length * pattern(subject, index, shape, magnitudes).sign() for index, shape in enumerate(chosen)]


def float64(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().to(torch.float64) for tensor in tensors]


def rounding(subject: Subject, operations: int) -> float:
    """The relative error of so many operations in the subject's dtype, each off by one unit in the last place."""
    return operations * torch.finfo(subject.dtype).eps
