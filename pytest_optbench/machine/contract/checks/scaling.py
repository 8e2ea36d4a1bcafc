"""Scaling: under a gradient scaler, an overflow costs one step and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, tensors_of

_OVERFLOWS = (0, 3)
"""The turns in which a gradient is infinite: the very first, and one with history."""


def _implementations(subject: Subject) -> list[str]:
    if subject.declared.needs_closure:
        return []
    fused = subject.offers("fused") and not subject.option("fused") and subject.buildable(fused=True)
    return ["as_configured", "fused"] if fused else ["as_configured"]


@check(over=_implementations)
def gradient_scaler(subject: Subject, implementation: str) -> None:
    """`torch.amp.GradScaler` skips a step whose gradients overflow, and the next is as if nothing had been.

    Prevents: step counters, momentum or decay that go on in a skipped step, and a fused kernel that ignores `found_inf`
    or scales twice. Criterion: 6 turns with gradients scaled by a power of two, in the first and the fourth of which
    one gradient holds an infinity; in these, parameters and state stay equal to the bit (state may be made, as zeros
    or an initial value, in a skipped first step); after each turn, parameters are equal to the bit to those of an
    optimizer that has taken the other turns only, unscaled: scaling by powers of two is exact. One verdict for the
    configuration as it is and one for `fused=True`, which handles the overflow itself. Closures are not asked: the
    scaler refuses them.
    """
    if subject.capabilities.needs_closure or subject.capabilities.needs_graph:
        return
    options = {"fused": True} if implementation == "fused" else {}
    script = Script(subject.seed)
    scaler = torch.amp.GradScaler(subject.device, init_scale=1024.0, growth_interval=1000)
    walk, twin = Walk(subject, options=options), Walk(subject, options=options)

    def scaled(t: int, index: int, parameter: Tensor) -> Tensor | None:
        value = script(twin.t, index, parameter)
        assert value is not None
        value = value * scaler.get_scale()
        if t in _OVERFLOWS and index == 0:
            value.view(-1)[0] = torch.inf
        return value

    scaler.scale(torch.ones((), device=subject.device))
    for turn in range(6):
        skipped = turn in _OVERFLOWS
        before = [tensor.clone() for tensor in tensors_of(walk.optimizer.state)]
        walk.t = turn
        walk.assign(scaled)
        # Memory that nobody has filled is then NaN, where it may happen to be the zeros that would do.
        torch.use_deterministic_algorithms(skipped, warn_only=True)
        with walk.randomly():
            scaler.step(walk.optimizer)
        torch.use_deterministic_algorithms(False)
        scaler.update()
        if skipped and turn:
            require_equal(
                tensors_of(walk.optimizer.state),
                before,
                when=f"of the state, after turn {turn + 1}, which an infinite gradient made the scaler skip",
            )
        elif not skipped:
            twin.step()
        require_equal(
            walk.values(),
            twin.values(),
            when=f"after turn {turn + 1} under a GradScaler{', which was to be skipped' if skipped else ''}, "
            "against an optimizer that never saw the overflows",
        )
