"""Tuning: chooses what a recipe leaves open, for one task, by the same protocol for users and references.

Every combination of the grid is tried on three tuning seeds, which no verdict ever sees, all of them on shared
gradients, with one optimizer instance per combination where that is exact. After a quarter and after half of the
budget, the better half goes on (successive halving, Jamieson and Talwalkar 2016, arXiv 1502.07943). Chosen is the
combination whose slowest seed reaches the target first; if none reaches it on every seed, the one with the fewest
median steps, then the one with the best median value. Once one has reached the target on every seed, no other can win,
and tuning ends.

The slowest seed, not the median one: a learning rate at the edge of stability reaches the target on two of three seeds
and is faster on those. By the median, AdamW gets lr 3.16 for `plateau_gauss`, which misses on 17 of 32 seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.case import Case, CaseRun, Progress, batched_for, lane_row, new_lane
from pytest_optbench.machine.engine.crew import Crew, Separate
from pytest_optbench.machine.engine.group import Group, SharedRandomness
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.engine.probe import admit
from pytest_optbench.machine.engine.stack import NotElementwise, Stack
from pytest_optbench.machine.recipe import Capabilities, Recipe, probed
from pytest_optbench.machine.search import Search, candidates, chosen, open_search
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import median
from pytest_optbench.words.threshold import Threshold

TUNING_SEEDS = tuple(range(1_000_000, 1_000_003))
"""Disjoint from every scoring seed, which count from 0."""
PROTOCOL = 1
"""Raised whenever tuning would choose other values from the same trials."""
RUNGS = (1 / 4, 1 / 2)
"""Shares of the budget after which the better half goes on."""


@dataclass(frozen=True)
class Tuned:
    """The recipe with its chosen values, and a row for every trial, whose budget is the steps that it was granted."""

    recipe: Recipe
    runs: tuple[Run, ...]


def tune(
    recipe: Recipe,
    capabilities: Capabilities,
    task: Task,
    threshold: Threshold,
    *,
    search: Search | None = None,
    engine: str = "auto",
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    watch: Progress | None = None,
) -> Tuned:
    """Tune a recipe for a task; `search` defaults to what the recipe leaves open.

    Never raises what the optimizer raises: a combination that does comes last. `watch` is called with the step and the
    lanes after every evaluation. A target of -inf means: by the best value alone.
    """
    search = open_search(recipe) if search is None else search
    case = Case(
        recipe=recipe,
        capabilities=capabilities,
        task=task,
        threshold=threshold,
        seeds=TUNING_SEEDS,
        engine=engine,
        device=device,
        dtype=dtype,
    )
    tried = list(candidates(recipe, search))
    with isolated(), torch.no_grad():
        case = replace(case, capabilities=probed(tried[len(tried) // 2], capabilities))
        for attempt in _attempts(case, tried, search):
            try:
                return attempt.run(watch)
            except (NotElementwise, SharedRandomness):
                continue
    raise AssertionError("the last attempt neither stacks nor shares random numbers")


def _attempts(case: Case, tried: Sequence[Recipe], search: Search) -> Iterator[_Attempt]:
    """Ways to run the trials, from the fastest to the one that is always exact."""
    if not case.alone and case.engine in ("auto", "stacked") and _elementwise(case, tried, search):
        yield _Attempt(case, tried, stacked=True)
    yield _Attempt(case, tried)
    yield _Attempt(case, tried, own_random=True)


def _elementwise(case: Case, tried: Sequence[Recipe], search: Search) -> bool:
    # A learning rate turns nothing on or off but at its ends, where a cap on the update may; others may anywhere.
    looked_at = [tried[0], tried[len(tried) // 2], tried[-1]] if set(search) == {"lr"} else tried
    try:
        for recipe in looked_at:
            admit(recipe, case.capabilities, case.task, len(case.seeds), case.threshold.budget, case.placement)
    except NotElementwise:
        return False
    return True


class _Attempt:
    def __init__(self, case: Case, tried: Sequence[Recipe], *, stacked: bool = False, own_random: bool = False) -> None:
        self.case = case
        self.stacked = stacked
        self.own_random = own_random
        self.trials = [_Candidate(replace(case, recipe=recipe)) for recipe in tried]
        self._rungs = [share * case.threshold.budget for share in RUNGS]

    def run(self, watch: Progress | None) -> Tuned:
        lanes = [lane for trial in self.trials for lane in trial.lanes]
        for step in self._evaluations():
            if watch is not None:
                watch(step, lanes)
            self._decide(step)
        best = min(self.trials, key=lambda one: (one.slowest, one.median, one.dropped, one.value))
        mode = "stacked" if self.stacked else "sequential" if self.case.alone else "lockstep"
        return Tuned(best.case.recipe, tuple(row for trial in self.trials for row in trial.rows(mode)))

    def _evaluations(self) -> Iterator[int]:
        """The steps at which all lanes have been evaluated; between two of them, lanes may be dropped."""
        case = self.case
        crews: list[Crew] = [
            Stack(one.lanes, shadowed=False) if self.stacked else Separate(one.lanes) for one in self.trials
        ]
        together = [crews]
        if case.alone:
            together = [[Separate([lane])] for trial in self.trials for lane in trial.lanes]
        groups = [
            Group(case.task, batched_for(case), some, case.placement, own_random=self.own_random) for some in together
        ]
        running = [group.evaluations() for group in groups]
        while running:
            steps = [next(one, None) for one in running]
            running = [one for one, step in zip(running, steps, strict=True) if step is not None]
            if running:
                yield max(step for step in steps if step is not None)

    def _decide(self, step: int) -> None:
        """Drop what cannot win any more."""
        if any(math.isfinite(trial.slowest) for trial in self.trials):
            for trial in self.trials:
                trial.drop(step, lost=not math.isfinite(trial.slowest))
        elif self._rungs and step >= self._rungs[0]:
            del self._rungs[0]
            alive = sorted((one for one in self.trials if not one.dropped), key=lambda one: (one.median, one.value))
            for trial in alive[math.ceil(len(alive) / 2) :]:
                trial.drop(step, lost=True)


class TunedRun(CaseRun):
    """One execution of a case whose search is tuned first, or whose chosen values are known from an earlier session.

    `values` holds what was chosen, `trials` a row for every trial. The case's time limit covers both.
    """

    def __init__(self, case: Case, progress: Progress | None = None, *, known: Mapping[str, Any] | None = None) -> None:
        super().__init__(case, progress)
        self.trials: tuple[Run, ...] = ()
        self.values: Mapping[str, Any] | None = known
        self._open = case

    def run(self) -> None:
        ends = time.monotonic() + (self._open.timeout or math.inf)
        if self.values is None:
            self._tune(self._open.engine, ends)
        if self.values is not None:
            self._judge(ends)
        if self.refusal and any(trial.engine == "stacked" for trial in self.trials) and not self.timed_out:
            # The trials had no shadows of their own: what refuted the stack of the seeds refutes theirs.
            before, self.values = self.values, None
            self._tune("lockstep", ends)
            if self.timed_out:
                self.restart(self._open)  # what was judged had values that nothing vouches for
            elif self.values != before:
                self._judge(ends)

    def _tune(self, engine: str, ends: float) -> None:
        case = self._open
        try:
            with time_limit(_left(ends)):
                tuned = tune(
                    case.recipe,
                    case.capabilities,
                    case.task,
                    case.threshold,
                    search=case.search,
                    engine=engine,
                    device=case.device,
                    dtype=case.dtype,
                    watch=self.progress,
                )
        except TimeLimitExceeded:
            self.timed_out = True
        else:
            self.trials = tuned.runs
            self.values = {name: tuned.recipe.hyperparameters[name] for name in case.search}

    def _judge(self, ends: float) -> None:
        assert self.values is not None
        self.restart(replace(self._open, recipe=chosen(self._open.recipe, self.values), timeout=_left(ends)))
        super().run()


def _left(ends: float) -> float | None:
    """Seconds until then, None for no end; never 0, which would mean no limit."""
    return max(ends - time.monotonic(), 1e-3) if math.isfinite(ends) else None


class _Candidate:
    """One combination on all tuning seeds."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.lanes = [new_lane(case, seed) for seed in case.seeds]
        self.granted = case.threshold.budget
        self.dropped = False

    def drop(self, step: int, *, lost: bool) -> None:
        """Grant no more steps than these; `lost` if that is because others are better."""
        if not self.dropped:
            self.granted = step
        self.dropped = self.dropped or lost
        for lane in self.lanes:
            lane.dropped = True

    @property
    def slowest(self) -> float:
        """Steps to the target of the slowest seed; infinite as long as one is missing."""
        return max(self._steps)

    @property
    def median(self) -> float:
        """Median steps to the target, so far."""
        return median(self._steps)

    @property
    def _steps(self) -> list[float]:
        found = [lane.record.steps_to_target for lane in self.lanes]
        return [math.inf if steps is None else float(steps) for steps in found]

    @property
    def value(self) -> float:
        """Median of the best values so far; one that diverged or crashed has none."""
        return median([_best(lane) for lane in self.lanes])

    def rows(self, mode: str) -> Iterator[Run]:
        for lane in self.lanes:
            yield replace(lane_row(self.case, lane, "missed"), trial=1, budget=self.granted, engine=mode)


def _best(lane: Lane) -> float:
    record = lane.record
    if record.outcome == "diverged" or lane.instance.crash is not None or record.best is None:
        return math.inf
    return record.best
