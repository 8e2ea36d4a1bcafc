"""A closed form: the scripted gradients, the neutral options and the tolerances that the families' checks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require_close
from pytest_optbench.machine.contract.check import Applies
from pytest_optbench.machine.contract.subject import VARIANTS, Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, normal

INDIFFERENT = (*VARIANTS, "lr", "weight_decay", "decoupled_weight_decay", "maximize", "eps", "dtype", "device")
"""Options that every family knows what to make of."""

Rule = Callable[[Tensor, Tensor], Tensor]
"""(gradient, place) -> how far the published formula goes in this step, downhill counted as positive; in float64. It
keeps its averages to itself, so that each tensor needs one of its own."""


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


def eps_in(options: Mapping[str, Any]) -> float:
    """The eps of a walk that these options are for, as far as it counts: 0 where it is not set."""
    return float(options.get("eps", 0.0))


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


def betas_of(subject: Subject) -> tuple[float, float] | None:
    """The two decay rates, as `betas` or as `beta1` and `beta2`; None for an optimizer that names them otherwise."""
    betas = subject.option("betas", (subject.option("beta1"), subject.option("beta2")))
    if not isinstance(betas, Sequence) or len(betas) != 2:
        return None
    if not all(isinstance(beta, (int, float, Tensor)) for beta in betas):
        return None
    return float(betas[0]), float(betas[1])


def quick_betas(subject: Subject) -> dict[str, Any]:
    """Decay rates at which twenty steps forget."""
    return {"betas": (0.8, 0.9)} if subject.offers("betas") else {"beta1": 0.8, "beta2": 0.9}


def kept_in_float32(beta: float) -> float:
    """The relative error of 1 - beta where beta is kept in float32."""
    return 2.0**-24 / max(1 - beta, 2.0**-20)


class _Course:
    """The way that a rule leads, with one of the rule for each tensor."""

    def __init__(self, subject: Subject, script: Gradient, rule: Callable[[], Rule], start: Sequence[Tensor]) -> None:
        self.subject, self.script, self.t = subject, script, 0
        self.rules = [rule() for _ in start]
        self.places = [value.clone() for value in start]

    def step(self) -> list[Tensor]:
        """The places after one more step."""
        for index, (rule, place) in enumerate(zip(self.rules, self.places, strict=True)):
            gradient = self.script(self.t, index, place)
            assert gradient is not None
            self.places[index] = place + downhill(self.subject) * rule(gradient, place)
        self.t += 1
        return self.places


def require_course(
    subject: Subject,
    script: Gradient,
    rules: Sequence[Callable[[], Rule]],
    *,
    steps: int,
    rtol: float,
    along: str,
    options: dict[str, Any],
    start: Sequence[Tensor] | None = None,
) -> None:
    """After every step the walk must be where one of the rules leads, the same one throughout; from zero, or `start`.

    From zero, along gradients that keep their signs, each entry must be as close as `rtol` of its way. From elsewhere,
    as close as that of the longest way of the tensor, and 2 roundings of the largest place for each step.
    """
    first = origin(subject) if start is None else start
    walk = Walk(subject, start=first, gradient=script, options=options)
    possible = [_Course(subject, script, rule, float64(first)) for rule in rules]
    for t in range(1, steps + 1):
        walk.step()
        found = float64(walk.values())
        ways = [(course, course.step()) for course in possible]
        slack = [0.0] * len(found)
        if start is not None:
            slack = [_slack(subject, t, rtol, old, new) for old, new in zip(float64(start), found, strict=True)]
        possible = [course for course, places in ways if _near(found, places, rtol, slack)]
        if not possible:
            nearest = min((places for _, places in ways), key=lambda places: _distance(found, places))
            for index, (mine, theirs) in enumerate(zip(found, nearest, strict=True)):
                when = f"after step {t} along {along}"
                require_close([mine], [theirs], rtol=rtol, atol=slack[index], when=when, indices=[index])


def _slack(subject: Subject, steps: int, rtol: float, old: Tensor, new: Tensor) -> float:
    largest = float(torch.maximum(old.abs(), new.abs()).max())
    return rtol * float((new - old).abs().max()) + rounding(subject, 2 * steps) * largest


def _distance(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Large where something is not finite."""
    gaps = [(mine - theirs).square().sum() for mine, theirs in zip(found, expected, strict=True)]
    return float(torch.stack(gaps).sum().nan_to_num(nan=torch.inf))


def _near(found: Sequence[Tensor], expected: Sequence[Tensor], rtol: float, slack: Sequence[float]) -> bool:
    return all(
        torch.allclose(mine, theirs, rtol=rtol, atol=atol)
        for mine, theirs, atol in zip(found, expected, slack, strict=True)
    )
