"""Gradients: read, never written, never kept; a missing one leaves its parameter alone."""

from __future__ import annotations

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check(exempt=("needs_closure",))
def gradient_untouched(subject: Subject) -> None:
    """A step leaves every gradient as it found it: the same memory with the same values.

    Prevents: weight decay, clipping or negation done in place on `p.grad`, which corrupts gradient accumulation,
    logging, and whatever else reads the gradient after the step. Criterion: after each of 3 steps, with weight_decay 0
    and 0.1 and with maximize off and on where there are such options, every gradient is the same tensor at the same
    address with the same bits. Decay hides an in-place change, for it makes a new tensor first: hence both.
    """
    for options in _variations(subject):
        walk = Walk(subject, options=options)
        for _ in range(3):
            walk.assign(walk.gradient)
            held = [parameter.grad for parameter in walk.parameters]
            values = [gradient.clone() for gradient in held if gradient is not None]
            addresses = [gradient.data_ptr() for gradient in held if gradient is not None]
            with walk.randomly():
                walk.optimizer.step()
            walk.t += 1
            setting = "".join(f" with {name}={value}" for name, value in options.items())
            now = [parameter.grad for parameter in walk.parameters]
            require(
                all(mine is theirs for mine, theirs in zip(now, held, strict=True)),
                f"step {walk.t}{setting} put another tensor in place of a gradient",
            )
            kept = [gradient for gradient in now if gradient is not None]
            require(
                [gradient.data_ptr() for gradient in kept] == addresses,
                f"step {walk.t}{setting} moved the memory of a gradient",
            )
            require_equal(kept, values, when=f"step {walk.t}{setting} wrote to p.grad: of the gradients")


def _variations(subject: Subject) -> list[dict[str, object]]:
    decays: list[dict[str, object]] = [{}]
    if subject.offers("weight_decay"):
        decays = [{"weight_decay": value} for value in (0.0, 0.1) if subject.buildable(weight_decay=value)] or [{}]
    flips: list[dict[str, object]] = [{}]
    if subject.offers("maximize"):
        flips = [{"maximize": value} for value in (False, True) if subject.buildable(maximize=value)] or [{}]
    return [{**decay, **flip} for decay in decays for flip in flips]
