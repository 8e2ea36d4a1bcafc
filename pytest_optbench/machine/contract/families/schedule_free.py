"""Schedule-free methods (Defazio et al. 2024): gradients are taken between a fast iterate and its running average."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pytest_optbench.machine.contract.broken import require_close, require_equal
from pytest_optbench.machine.contract.check import Applies, all_of, check
from pytest_optbench.machine.contract.families.closed_form import float64, of_family, only, rounding
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


def _interpolation(subject: Subject) -> float:
    """The share of the average in the point of the gradients: `momentum`, or the first of `betas`."""
    betas = subject.option("betas")
    share = betas[0] if isinstance(betas, Sequence) and betas else subject.option("momentum")
    return float(share) if isinstance(share, (int, float)) else 0.0


def _modes() -> Applies:
    family = of_family("schedule_free")
    return lambda subject: family(subject) and subject.declared.train_eval


def _standard(subject: Subject) -> bool:
    known = ("betas", "momentum", "r", "weight_lr_power", "warmup_steps", "silent_sgd_phase")
    return 0 < _interpolation(subject) < 1 and only(subject, *known)


@check(applies=all_of(_modes(), _standard))
def schedule_free_average(subject: Subject) -> None:
    """The weights of `eval()` are the running average of the fast iterate, with the stated weights.

    Prevents: a first iterate that is counted twice or kept for ever, weights by the wrong power, an average of the
    point of the gradients. Criterion: in each of 8 steps, with y the weights of train(), x those of eval() and
    z = (y - beta x) / (1 - beta), x moves to z by the share c = w_t / (w_1 + ... + w_t), where
    w_t = t^r lr_max^weight_lr_power with the greatest learning rate so far (the group's `lr_max` where it has one):
    the plain average 1 / t without warm-up. Tolerance: 20 roundings of the largest entry, divided by 1 - beta.
    """
    beta = _interpolation(subject)
    walk = Walk(subject)
    average = float64(walk.values())
    total = 0.0
    for t in range(1, 9):
        walk.step()
        between = float64(walk.values())
        walk.eval()
        found = float64(walk.values())
        walk.train()
        group = walk.groups[0]
        greatest = float(group.get("lr_max", subject.lr or 0.0))
        weight = t ** float(subject.option("r", 0.0)) * greatest ** float(subject.option("weight_lr_power", 2.0))
        total += weight
        share = weight / total if total else 0.0
        fast = [(y - beta * x) / (1 - beta) for y, x in zip(between, found, strict=True)]
        expected = [old + share * (z - old) for old, z in zip(average, fast, strict=True)]
        atol = rounding(subject, 20) * max(_largest(between), _largest(found)) / (1 - beta)
        when = f"in eval mode after step {t}, with a share of {share:.6g} for the last iterate"
        require_close(found, expected, rtol=0.0, atol=atol, when=when)
        average = found


def _largest(tensors: Sequence[Tensor]) -> float:
    return max(float(tensor.abs().max()) for tensor in tensors)


@check(applies=all_of(_modes(), _standard))
def schedule_free_round_trip(subject: Subject) -> None:
    """Going to eval() and back to train() leads back to the same weights.

    Prevents: a pair of formulas that do not undo each other, with which every evaluation moves the optimizer.
    Criterion: after 5 steps, 20 round trips. Tolerance: 4 roundings of the largest entry for each, divided by beta.
    """
    walk = Walk(subject).take(5)
    before = walk.values()
    for _ in range(20):
        walk.eval()
        walk.train()
    atol = rounding(subject, 80) * _largest(before) / _interpolation(subject)
    require_close(walk.values(), before, rtol=0.0, atol=atol, when="after 20 times eval() and train()")


@check(applies=_modes())
def schedule_free_resume(subject: Subject) -> None:
    """A checkpoint continues the trajectory whichever mode it was saved in.

    Prevents: a mode that is not part of the state_dict, so that a run goes on from the wrong one of two points.
    Criterion: after 5 steps, weights and state_dict saved in train mode and in eval mode go into a fresh optimizer
    that is then put into train mode; 5 further steps of both are equal to the bit.
    """
    for mode in ("train", "eval"):
        walk = Walk(subject).take(5)
        if mode == "eval":
            walk.eval()
        other = walk.resumed()
        walk.train()
        for _ in range(5):
            walk.step()
            other.step()
            require_equal(other.values(), walk.values(), when=f"in step {walk.t}, saved in {mode} mode after step 5")
