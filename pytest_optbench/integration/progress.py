"""Progress: one line about a case that takes long, on a terminal that a person watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.tuning import TUNING_SEEDS

QUIET_SECONDS = 3.0
REFRESH_SECONDS = 0.5
_STARTED = pytest.StashKey[float]()


class Progress:
    """Called by the engine at every evaluation; silent for the first seconds of a case, then twice a second.

    `position` is the number of items before this one and in all, for an estimate of what is left of the session.
    """

    def __init__(self, case: Case, write: Callable[[str], None], position: tuple[int, int] = (0, 1)) -> None:
        self.case = case
        self.position = position
        self.shown = False
        self._write = write
        self._started = time.monotonic()
        self.session_started = self._started
        self._next = self._started + QUIET_SECONDS

    def __call__(self, step: int, lanes: Sequence[Lane]) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REFRESH_SECONDS
            opening = "" if self.shown else "\n"
            self.shown = True
            line = progress_line(self.case, step, lanes, now - self._started)
            self._write(opening + line + rest_of_session(self.position, self._started - self.session_started))


@contextmanager
def progress_of(item: pytest.Item, case: Case) -> Iterator[Progress | None]:
    """The progress of an item's case; None where nobody watches (no terminal, a worker, `-p no:terminal`).

    The line appears below the one that pytest is writing, and is gone when the case ends.
    """
    reporter: Any = item.config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or not reporter.isatty or hasattr(item.config, "workerinput"):
        yield None
        return
    capture: Any = item.config.pluginmanager.getplugin("capturemanager")
    width, column = reporter._tw.fullwidth, reporter._tw.width_of_current_line

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.write(text, flush=True)

    items = item.session.items
    position = (items.index(item), len(items)) if item in items else (0, 1)
    progress = Progress(case, lambda line: write(f"{line[: width - 1]}\x1b[K\r"), position)
    progress.session_started = item.session.stash.setdefault(_STARTED, progress.session_started)
    try:
        yield progress
    finally:
        if progress.shown:
            write(f"\x1b[K\x1b[1A\x1b[{column}C")


def rest_of_session(position: tuple[int, int], seconds: float) -> str:
    """How long the items after this one will take, if they are like those before it."""
    before, items = position
    after = items - before - 1
    return f"; {after} more, about {seconds / before * after:.0f} s" if before and after else ""


def progress_line(case: Case, step: int, lanes: Sequence[Lane], seconds: float) -> str:
    """Where the case stands: step, seeds that reached the target, and how long the rest takes at most.

    `lanes` are those that have ended and those in flight; the bound assumes that every seed uses its whole budget.
    """
    budget, seeds = case.threshold.budget, len(case.seeds)
    if lanes and lanes[0].seed in TUNING_SEEDS:
        values = len(lanes) // len(TUNING_SEEDS)
        left = sum(not lane.dropped for lane in lanes) // len(TUNING_SEEDS)
        return (
            f"{case.recipe.name} on {case.task.name}: tuning {', '.join(case.search)}, step {step} of {budget}, "
            f"{left} of {values} values left, at most {seconds / max(step, 1) * (budget - step):.0f} s"
        )
    ended = sum(not lane.active for lane in lanes)
    reached = sum(lane.record.outcome == "reached" for lane in lanes)
    waves, wave = -(-seeds // case.group_size), -(-len(lanes) // case.group_size)
    share = max((wave - 1 + step / budget) / waves, 1e-9)
    return (
        f"{case.recipe.name} on {case.task.name}: step {step} of {budget}, {reached} of {seeds} seeds reached, "
        f"{ended - reached} ended otherwise, at most {seconds / share - seconds:.0f} s left"
    )
