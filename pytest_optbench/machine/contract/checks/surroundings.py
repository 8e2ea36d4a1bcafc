"""Surroundings: an optimizer leaves alone what belongs to the whole process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_optbench.machine.contract.broken import require
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.culprit import culprit
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk
from pytest_optbench.machine.surroundings import Surroundings


@check(once=True)
def globals_untouched(subject: Subject) -> None:
    """Neither the constructor nor a step changes torch's global modes, the working directory or the environment.

    Prevents: a model that is in float64, on another device, on one thread or without gradients ever since the optimizer
    was made, and nobody knows why; a launcher's variables overwritten. Criterion: after construction and after each of
    3 steps the number of threads, default dtype and device, grad and anomaly mode, the precision of float32 matrix
    products, the use of deterministic algorithms, the flushing of denormals, the working directory and all environment
    variables are what they were; variables that torch.compile writes for its own processes are left out. No tolerance.
    """
    _ = subject.capabilities  # found out now: probing is not a step of the check
    walks: list[Walk] = []
    _require_untouched(lambda: walks.append(Walk(subject)), "construction")
    for t in range(1, 4):
        _require_untouched(walks[0].step, f"step {t}")


def _require_untouched(act: Callable[[], Any], what: str) -> None:
    before = Surroundings.current()
    act()
    changes = list(before.changes(Surroundings.current()))
    if not changes:
        return
    before.restore()
    place = ""
    if lasting := {change for change in changes if "grad mode" not in change}:  # that is rightly off during a step
        place = culprit(act, lambda: lasting <= set(before.changes(Surroundings.current())))
    require(False, f"{what} changed {' and '.join(changes)}{place}")
