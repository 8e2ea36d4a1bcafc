"""Signs: every entry moves by the learning rate or not at all, as in signSGD, Signum and Tiger."""

from __future__ import annotations

from pytest_optbench.machine.contract.broken import number_of, require, require_close, require_equal
from pytest_optbench.machine.contract.check import Applies, check
from pytest_optbench.machine.contract.families.closed_form import (
    constant,
    float64,
    neutral,
    of_family,
    origin,
    paths,
    rounding,
)
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk

_MAGNITUDES = (1e-3, 1.0, 1e3)


def _signs() -> Applies:
    """Both families of signs: Lion is one with two momenta."""
    sign, lion = of_family("sign_like"), of_family("lion_like")
    return lambda subject: sign(subject) or lion(subject)


@check(applies=_signs())
def sign_step_is_lr(subject: Subject) -> None:
    """In every step every entry moves by exactly the learning rate, or not at all.

    Prevents: a sign that is taken of the wrong thing, or scaled by a norm; an update with the raw momentum in it.
    Criterion: in each of 6 steps from zero along seeded normal gradients, the size of every entry's move is lr, or 0
    where the momentum cancels. Weight decay is off. Tolerance: the rounding of a place 6 lr from zero.
    """
    lr = subject.lr or 0.0
    walk = Walk(subject, start=origin(subject), gradient=Script(subject.seed, slope=0.0), options=neutral(subject))
    before = float64(walk.values())
    for step in range(1, 7):
        walk.step()
        after = float64(walk.values())
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            size = (new - old).abs()
            off = ((size - lr).abs() > rounding(subject, 12) * lr) & (size != 0)
            found = f"{float(size[off][0]):.9g}" if bool(off.any()) else ""
            require(
                not found,
                f"in step {step}, {int(off.sum())} of the {off.numel()} entries of tensor {index} {tuple(off.shape)} "
                f"moved by neither lr nor 0: by {found}, expected {lr:.9g}",
            )
        before = after


@check(applies=_signs())
def sign_constant_gradient(subject: Subject) -> None:
    """Along a constant gradient every entry travels lr times the number of steps, downhill.

    Prevents: a sign the wrong way round, a first step from an empty momentum, a warm-up nobody asked for. Criterion:
    from zero along gradients of 1e-3, 1 and 1e3 with both signs, every entry is at lr t after t = 1, 2 and 12 steps.
    Weight decay is off. Tolerance: one rounding a step.
    """
    walk = Walk(subject, start=origin(subject), gradient=constant(subject, _MAGNITUDES), options=neutral(subject))
    for steps in (1, 2, 12):
        walk.take(steps - walk.t)
        expected = paths(subject, steps, _MAGNITUDES)
        rtol = rounding(subject, 2 + steps)
        require_close(
            float64(walk.values()), expected, rtol=rtol, when=f"after {number_of(steps, 'step')} of a constant gradient"
        )


@check(applies=_signs())
def sign_scale_invariance(subject: Subject) -> None:
    """Gradients that are scaled by any positive number give the same path.

    Prevents: an eps beside the sign, a threshold, a clip, momentum with a gain that depends on the loss. Criterion: 8
    steps with gradients scaled by 2^-20 and by 2^20, which rounds nothing, end where the unscaled ones do, to the bit.
    """
    options = neutral(subject)
    unscaled = Walk(subject, gradient=Script(subject.seed), options=options).take(8).values()
    for scale in (2.0**-20, 2.0**20):
        walk = Walk(subject, gradient=Script(subject.seed, scale=scale), options=options).take(8)
        require_equal(walk.values(), unscaled, when=f"after 8 steps with gradients scaled by {scale:g}")
