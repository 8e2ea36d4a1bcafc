"""Progress: one line about a case that takes long, on a terminal that a person watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.engine.lane import Lane

QUIET_SECONDS = 3.0
REFRESH_SECONDS = 0.5


class Progress:
    """Called by the engine at every evaluation; silent for the first seconds of a case, then twice a second."""

    def __init__(self, case: Case, write: Callable[[str], None]) -> None:
        self.case = case
        self.shown = False
        self._write = write
        self._started = time.monotonic()
        self._next = self._started + QUIET_SECONDS

    def __call__(self, step: int, lanes: Sequence[Lane]) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REFRESH_SECONDS
            opening = "" if self.shown else "\n"
            self.shown = True
            self._write(opening + progress_line(self.case, step, lanes, now - self._started))


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

    progress = Progress(case, lambda line: write(f"{line[: width - 1]}\x1b[K\r"))
    try:
        yield progress
    finally:
        if progress.shown:
            write(f"\x1b[K\x1b[1A\x1b[{column}C")


def progress_line(case: Case, step: int, lanes: Sequence[Lane], seconds: float) -> str:
    """Where the case stands: step, seeds that reached the target, and how long the rest takes at most.

    `lanes` are those that have ended and those in flight; the bound assumes that every seed uses its whole budget.
    """
    budget, seeds = case.threshold.budget, len(case.seeds)
    ended = sum(not lane.active for lane in lanes)
    reached = sum(lane.record.outcome == "reached" for lane in lanes)
    waves, wave = -(-seeds // case.group_size), -(-len(lanes) // case.group_size)
    share = max((wave - 1 + step / budget) / waves, 1e-9)
    return (
        f"{case.recipe.name} on {case.task.name}: step {step} of {budget}, {reached} of {seeds} seeds reached, "
        f"{ended - reached} ended otherwise, at most {seconds / share - seconds:.0f} s left"
    )
