"""Lion (Chen et al. 2023): the sign of a mixture by beta1, and a momentum that follows after the step by beta2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.check import Applies, all_of, check
from pytest_optbench.machine.contract.families.closed_form import downhill, float64, neutral, of_family, only, origin
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk

_FAMILY = of_family("lion_like")


def _betas(subject: Subject) -> tuple[float, float]:
    """Both rates; (0, 0) for an optimizer that does not name them."""
    betas = subject.option("betas", (subject.option("beta1"), subject.option("beta2")))
    if isinstance(betas, Sequence) and len(betas) == 2 and all(isinstance(beta, (int, float)) for beta in betas):
        return float(betas[0]), float(betas[1])
    return 0.0, 0.0


def _two_rates(*known: str) -> Applies:
    def plain(subject: Subject) -> bool:
        return (
            min(_betas(subject)) > 0 and max(_betas(subject)) < 1 and only(subject, "betas", "beta1", "beta2", *known)
        )

    return plain


@check(applies=all_of(_FAMILY, _two_rates()))
def lion_momentum_after_step(subject: Subject) -> None:
    """The step takes the old momentum, mixed by beta1; then the momentum follows by beta2.

    Prevents: the momentum updated before the step, swapped betas, one beta for both: all train well and are not Lion.
    Criterion: a gradient of 1, which leaves the momentum at 1 - beta2, and then one of -s f in the second step with
    s = beta1 (1 - beta2) / (1 - beta1), at which beta1 m + (1 - beta1) g changes sign: entries with f = 0.98 go on
    downhill, those with f = 1.02 turn round. No tolerance: a sign is right or wrong, and 2 % are far above rounding.
    """
    beta1, beta2 = _betas(subject)
    _require_turn(subject, beta1 * (1 - beta2) / (1 - beta1), after=0)


@check(applies=all_of(_FAMILY, _two_rates()))
def lion_momentum_fades(subject: Subject) -> None:
    """Without gradients the momentum of Lion fades by beta2 in each step.

    Prevents: a momentum that decays by beta1, is normalized, or is not updated where the gradient is zero. Criterion:
    as lion_momentum_after_step, with 20 zero gradients between the two, in which every entry must go on downhill; the
    sign then changes at s = beta1 beta2^20 (1 - beta2) / (1 - beta1).
    """
    beta1, beta2 = _betas(subject)
    _require_turn(subject, beta1 * beta2**20 * (1 - beta2) / (1 - beta1), after=20)


def _require_turn(subject: Subject, threshold: float, *, after: int) -> None:
    walk = Walk(subject, start=origin(subject), gradient=_turning(threshold, after), options=neutral(subject))
    walk.take(1)
    for step in range(2, after + 3):
        before = float64(walk.values())
        walk.step()
        for index, (old, new) in enumerate(zip(before, float64(walk.values()), strict=True)):
            moves = (new - old).sign() * downhill(subject)
            expected = torch.ones_like(moves) if step < after + 2 else _sides(moves)
            wrong = moves != expected
            if not bool(wrong.any()):
                continue
            place = tuple(wrong.nonzero()[0].tolist())
            kind = "a zero gradient" if step < after + 2 else f"a gradient of {-threshold:.6g} x 0.98 and x 1.02"
            raise ContractBroken(
                f"in step {step}, along {kind} after a first one of 1, entry {list(place)} of tensor {index} moved "
                f"{_way(moves, place)}, expected {_way(expected, place)} ({int(wrong.sum())} entries are wrong)"
            )


def _way(moves: Tensor, place: tuple[int, ...]) -> str:
    return {1.0: "on", -1.0: "back", 0.0: "nowhere"}[float(moves[place])]


def _turning(threshold: float, after: int) -> Gradient:
    """A gradient of one, zeros, and then the negative threshold: a little less and a little more in turn."""

    def script(t: int, index: int, parameter: Tensor) -> Tensor:
        if t == 0:
            return torch.ones_like(parameter)
        if t <= after:
            return torch.zeros_like(parameter)
        return (-threshold * (1 - 0.02 * _sides(parameter))).to(parameter.dtype)

    return script


def _sides(like: Tensor) -> Tensor:
    """1 where the entry is to go on, -1 where it is to turn round."""
    turns = 1 - 2 * (torch.arange(like.numel(), device=like.device) % 2)
    return turns.reshape(like.shape).to(torch.float64)
