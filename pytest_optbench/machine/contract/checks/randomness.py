"""Randomness: the same steps every time, and nobody else's random numbers used up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import require, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.checks.resume import require_alike
from pytest_optbench.machine.contract.shared import at_zero, changed, shared_numbers
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk
from pytest_optbench.machine.determinism import RandomState


@check(relaxed=("stochastic",))
def deterministic(subject: Subject) -> None:
    """Two runs are equal to the bit; under `stochastic`, two runs from the same seed.

    Prevents: an order of parameters that follows their addresses, uninitialized memory used as state, random numbers
    nobody has asked for, state shared between two optimizers through a class attribute, a module or a mutable default.
    Criterion: two optimizers over equal parameters, side by side for 10 steps, are equal to the bit after each, and so
    is a third that is made after them. Where these steps have changed a number in a class of the optimizer or in its
    module, such as a counter, a fourth that finds 0 there is equal, too: many steps may have brought the number to
    where it does not show any more. Under `stochastic` all have random states of their own that begin at the same seed.
    No tolerance.
    """
    mine, theirs = Walk(subject), Walk(subject)
    before = shared_numbers(mine.optimizer, subject.recipe.optimizer)
    course = []
    for t in range(1, 11):
        mine.step()
        theirs.step()
        require_equal(mine.values(), theirs.values(), when=f"in step {t} of two equal runs")
        course.append(mine.values())
    _require_course(subject, course, "run that followed it")
    if counted := changed(before, shared_numbers(mine.optimizer, subject.recipe.optimizer)):
        names = " and ".join(place.name for place in counted)
        with at_zero(counted):
            _require_course(
                subject, course, f"run that found 0 in {names}, which steps change and all optimizers share"
            )


def _require_course(subject: Subject, course: Sequence[Sequence[Tensor]], which: str) -> None:
    """Another optimizer must go the same way."""
    walk = Walk(subject)
    for t, expected in enumerate(course, start=1):
        require_equal(walk.take(1).values(), expected, when=f"in step {t} of a run and an equal {which}")


@check(once=True, relaxed=("stochastic",))
def rng_untouched(subject: Subject) -> None:
    """Steps draw no global random numbers; under `stochastic`, a resumed run draws those that were due.

    Prevents: an optimizer that changes dropout and data order merely by being used, so that no two methods see the
    same data; a checkpoint that cannot be continued. Criterion: after construction and 3 steps the global states of
    torch, NumPy and Python (and of the GPU, where the parameters are) are what they were. Under `stochastic`, which
    says that numbers are drawn: a fresh optimizer that has loaded the state_dict after 5 steps has every entry of it as
    it was saved and, with the random state of that moment, continues for 5 more equal to the bit. No tolerance.
    """
    if subject.claimed("stochastic"):
        walk = Walk(subject).take(5)
        other = walk.resumed()
        require_alike(other.optimizer.state_dict(), walk.optimizer.state_dict(), "loaded after step 5")
        for _ in range(5):
            walk.step()
            other.step()
            when = f"in step {walk.t}, resumed after step 5 with the random state of that moment"
            require_equal(other.values(), walk.values(), when=when)
        return
    _ = subject.capabilities  # found out now: probing is not a step of the check
    before, on_device = RandomState.current(), _of_device(subject)
    Walk(subject).take(3)
    after = RandomState.current()
    for name, equal in (
        ("torch's", torch.equal(before.torch, after.torch) and torch.equal(on_device, _of_device(subject))),
        ("Python's", before.python == after.python),
        ("NumPy's", before.same(after) or not torch.equal(before.torch, after.torch) or before.python != after.python),
    ):
        require(equal, f"construction and 3 steps changed the state of {name} global random generator")


def _of_device(subject: Subject) -> torch.Tensor:
    if torch.device(subject.device).type == "cuda":
        return torch.cuda.get_rng_state(subject.device)
    return torch.empty(0)
