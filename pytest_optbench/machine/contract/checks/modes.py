"""Modes: `train()` and `eval()` lead from the weights of training to those of evaluation and back."""

from __future__ import annotations

import torch

from pytest_optbench.machine.contract.broken import ContractBroken, require, require_close, require_equal, same
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check(applies=lambda subject: subject.declared.train_eval)
def train_eval(subject: Subject) -> None:
    """train() and eval() can each be called twice, lead back to where they came from, and guard the step.

    Prevents: an average that is applied twice when evaluation follows evaluation, drift of the weights with every
    evaluation, a step on the averaged weights. Criterion: after 8 steps, eval() changes the parameters; a second
    eval(), and a second train(), change nothing to the bit; train() after eval() leads back to 100 units of rounding of
    the greatest value (two interpolations, with weights up to 1/beta, round a handful of times each); step() in eval
    mode raises.
    """
    walk = Walk(subject).take(8)
    trained = walk.values()
    walk.train()
    require_equal(walk.values(), trained, when="after train() in train mode")
    walk.eval()
    evaluated = walk.values()
    require(
        not all(map(same, evaluated, trained)), "after 8 steps, eval() leaves the parameters as they are in train mode"
    )
    walk.eval()
    require_equal(walk.values(), evaluated, when="after eval() in eval mode")
    try:
        walk.step()
    except Exception:
        pass
    else:
        raise ContractBroken("step() in eval mode raises nothing; expected an error")
    walk = Walk(subject).take(8)
    walk.eval()
    walk.train()
    most = max(value.abs().max().item() for value in trained)
    require_close(
        walk.values(),
        trained,
        rtol=0.0,
        atol=100 * torch.finfo(subject.dtype).eps * most,
        when="after eval() and train(), against before",
    )
