"""Descent: an optimizer moves, everywhere, and down."""

from __future__ import annotations

from pytest_optbench.machine.contract.broken import require, require_finite
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk


@check(exempt=("lr_unused",))
def moves_and_descends(subject: Subject) -> None:
    """Sixty steps on the sum of squares lower it, and eight ordinary steps change most entries of every tensor.

    Prevents: an update of the wrong sign, one that is computed and never applied, one that reaches only the first
    parameter or the first row. Criterion: after 60 steps from standard normal values, with the gradient 2p at the
    declared learning rate, every entry is finite and the sum of squares is lower than at the start; in 8 steps along
    ordinary gradients (a rectified method takes its first step after five) at least half of the entries of every tensor
    change. Only where the recipe sets `maximize` the gradient is negated: nobody expects that of a default. No
    tolerance.
    """
    uphill = -1.0 if subject.options.get("maximize") else 1.0
    bowl = Walk(subject, gradient=lambda t, index, parameter: uphill * 2 * parameter)
    before = sum(value.square().sum().item() for value in bowl.values())
    bowl.take(60)
    bowl.eval()
    require_finite(bowl.values(), when="after 60 steps on the sum of squares")
    after = sum(value.square().sum().item() for value in bowl.values())
    require(after < before, f"60 steps on the sum of squares led from {before:.6g} to {after:.6g}, not down")
    walk = Walk(subject, gradient=Script(subject.seed))
    start = walk.values()
    walk.take(8)
    for index, (old, new) in enumerate(zip(start, walk.values(), strict=True)):
        moved = int((old != new).sum())
        require(
            2 * moved >= old.numel(),
            f"eight steps changed {moved} of the {old.numel()} entries of tensor {index} {tuple(old.shape)}; "
            "expected at least half",
        )
