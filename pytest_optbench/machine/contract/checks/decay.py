"""Decay: weight decay does what its mode says."""

from __future__ import annotations

from pytest_optbench.machine.contract.broken import require_close
from pytest_optbench.machine.contract.check import all_of, check, offers
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check(applies=all_of(offers("weight_decay"), lambda subject: subject.claims.get("weight_decay") == "decoupled"))
def weight_decay(subject: Subject) -> None:
    """Weight decay is what is declared: decoupled from the gradient, or added to it."""
    walk = Walk(subject, options={"weight_decay": 0.1}, gradient=lambda t, index, p: 0 * p)
    start = walk.values()
    walk.take(3)
    factor = (1 - (subject.lr or 0.0) * 0.1) ** 3
    require_close(
        walk.values(), [value * factor for value in start], rtol=1e-5, when="after 3 steps along zero gradients"
    )
