"""The line about a case that takes long: what it says, and how often."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_optbench.integration import progress as module
from pytest_optbench.integration.progress import Progress, progress_line, rest_of_session
from pytest_optbench.machine.engine.case import Case, new_lane
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.search import open_search
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tuning import TUNING_SEEDS
from pytest_optbench.words.threshold import Threshold

RECIPE = Recipe(name="Plain", optimizer=torch.optim.SGD, where="tests")


@pytest.fixture
def case() -> Case:
    return Case(
        recipe=RECIPE,
        capabilities=validate(RECIPE),
        task=CATALOGUE[0],
        threshold=Threshold(target=0.1, budget=100),
        seeds=tuple(range(8)),
        search=open_search(RECIPE),
    )


def lanes(case, seeds):
    return [new_lane(case, seed) for seed in seeds]


def test_a_judged_case_tells_seeds_and_a_bound(case):
    each = lanes(case, case.seeds)
    each[0].record.outcome = "reached"
    each[1].record.outcome = "diverged"
    line = progress_line(case, 25, each, 5.0)
    assert line == "Plain on schaul_line: step 25 of 100, 1 of 8 seeds reached, 1 ended otherwise, at most 15 s left"


def test_tuning_tells_the_values_that_are_left(case):
    each = lanes(case, TUNING_SEEDS * 13)
    for lane in each[: 3 * 6]:
        lane.dropped = True
    line = progress_line(case, 50, each, 5.0)
    assert line == "Plain on schaul_line: tuning lr, step 50 of 100, 7 of 13 values left, at most 5 s"


@pytest.mark.parametrize(
    ("position", "text"), [((0, 10), ""), ((9, 10), ""), ((4, 10), "; 5 more, about 50 s"), ((0, 1), "")]
)
def test_the_rest_of_the_session_is_like_what_went_before(position, text):
    assert rest_of_session(position, 40.0) == text


def test_nothing_is_written_in_the_first_seconds_and_then_twice_a_second(case, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    written: list[str] = []
    progress = Progress(case, written.append, (2, 4))
    progress.session_started = -20.0
    each = lanes(case, case.seeds)
    for tick in range(1, 51):
        now[0] = tick / 10
        progress(tick, each)
    assert len(written) == math.floor((5.0 - module.QUIET_SECONDS) / module.REFRESH_SECONDS) + 1
    assert written[0].startswith("\nPlain on")
    assert written[-1].endswith("; 1 more, about 10 s")
