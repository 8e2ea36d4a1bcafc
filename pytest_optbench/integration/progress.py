"""Progress: one line about a case that takes long, on a terminal that a person watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
        self.write = write
        self._started = time.monotonic()
        self._last = self._started - REFRESH_SECONDS + QUIET_SECONDS

    @staticmethod
    def of(item: pytest.Item, case: Case) -> Progress | None:
        """The progress of an item's case; None where nobody watches (no terminal, a worker, `-p no:terminal`)."""
        reporter = item.config.pluginmanager.getplugin("terminalreporter")
        if reporter is None or not reporter.isatty or hasattr(item.config, "workerinput"):
            return None
        return Progress(case, _writer(item.config, reporter))

    def __call__(self, step: int, lanes: Sequence[Lane]) -> None:
        now = time.monotonic()
        if now - self._last < REFRESH_SECONDS:
            return
        self._last = now
        self.write(progress_line(self.case, step, lanes, now - self._started))

    def close(self) -> None:
        self.write("")


def progress_line(case: Case, step: int, lanes: Sequence[Lane], seconds: float) -> str:
    """Where the case stands: step, seeds that reached the target, and how long the rest takes at most."""
    budget, seeds = case.threshold.budget, len(case.seeds)
    done = sum(not lane.active for lane in lanes)
    reached = sum(lane.record.outcome == "reached" for lane in lanes)
    waves = -(-seeds // case.group_size)
    wave = -(-len(lanes) // case.group_size)
    share = max((wave - 1 + step / budget) / waves, 1e-9)
    left = seconds / share - seconds
    return (
        f"{case.recipe.name} on {case.task.name}: step {step} of {budget}, "
        f"{reached} of {seeds} seeds reached, {done - reached} ended otherwise, at most {left:.0f} s left"
    )


def _writer(config: pytest.Config, reporter: Any) -> Callable[[str], None]:
    capture = config.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        line = "\r" + text[: reporter._tw.fullwidth - 1].ljust(reporter._tw.fullwidth - 1)
        if not text:
            line += "\r"
        if capture is None:
            reporter.write(line, flush=True)
            return
        with capture.global_and_fixture_disabled():
            reporter.write(line, flush=True)

    return write
