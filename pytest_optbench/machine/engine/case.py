"""A case: one recipe on one task over all its seeds; runs it and turns it into rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import perf_counter
from typing import Any, Literal

import torch

import pytest_optbench
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.crew import Crew, Separate
from pytest_optbench.machine.engine.group import Group, Placement, SharedRandomness
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.engine.memory import keep_freed_memory
from pytest_optbench.machine.engine.probe import admit
from pytest_optbench.machine.engine.stack import NotElementwise, Stack
from pytest_optbench.machine.environment import environment, peak_bytes
from pytest_optbench.machine.recipe import Capabilities, Recipe, probed
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.task import Task, instance
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.health import Health, first_deviation
from pytest_optbench.words.record import Record
from pytest_optbench.words.run import Outcome, Run
from pytest_optbench.words.threshold import Threshold

Mode = Literal["stacked", "lockstep", "sequential"]
_REASON = 160
_TIMINGS = 5
LEAST_STACK = 4
"""Lanes that make a stack worth its two shadows."""
Progress = Callable[[int, Sequence[Lane]], None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that decides a case's rows. `engine` is a mode, or "auto" for the fastest exact one.

    "stacked" is tried where it is asked for, unless for a lone seed, and where "auto" expects it to pay; what shows it
    to be inexact falls back to "lockstep".
    """

    recipe: Recipe
    capabilities: Capabilities
    task: Task
    threshold: Threshold
    seeds: tuple[int, ...]
    engine: str = "auto"
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    timeout: float | None = None
    """Seconds for the whole case."""
    full_budget: bool = False
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What is tuned before the case is run, with the values to try; empty for nothing."""

    @property
    def placement(self) -> Placement:
        return Placement(torch.device(self.device), self.dtype)

    @property
    def mode(self) -> Mode:
        """The mode that is tried first."""
        if self.alone or self.engine == "sequential":
            return "sequential"
        least = {"stacked": 2, "auto": LEAST_STACK}.get(self.engine, math.inf)
        return "stacked" if len(self.seeds) >= least else "lockstep"

    @property
    def group_size(self) -> int:
        """Lanes in flight at once. In `sequential` it is one where seeds cannot share a gradient, else the two lanes
        that a batched gradient needs anyway."""
        if self.alone:
            return 1
        return 2 if self.mode == "sequential" else len(self.seeds)

    @property
    def alone(self) -> bool:
        """Can seeds not share a gradient?"""
        return alone(self.capabilities, self.task)


def alone(capabilities: Capabilities, task: Task) -> bool:
    """Does every lane need a group of its own? A graph that lanes shared would be gone after the first one used it."""
    return capabilities.needs_closure or capabilities.needs_graph or not task.batchable


class CaseRun:
    """One execution of a case. After `run()`, or after an exception that came out of it, `rows()` has what was seen."""

    def __init__(self, case: Case, progress: Progress | None = None) -> None:
        self.progress: Progress | None = progress
        self.timed_out = False
        self.restart(case)

    def restart(self, case: Case) -> None:
        """Forget what was seen, and be a run of this case from now on."""
        self.case = case
        self.mode: Mode = case.mode
        """The mode that made the rows."""
        self.refusal = ""
        """Why the case was not stacked, though it was tried."""
        self._gradient_ms: float | None = None
        self._finished: list[Lane] = []
        self._current: list[Lane] = []

    def run(self) -> None:
        """Run all seeds; never raises what the optimizer raises (see `crash`)."""
        keep_freed_memory()
        try:
            with isolated(), torch.no_grad(), time_limit(self.case.timeout):
                self._probe()
                if self.mode == "stacked":
                    self._run_stacked()
                if self.mode != "stacked":
                    for start in range(0, len(self.case.seeds), self.case.group_size):
                        self._run_group(self.case.seeds[start : start + self.case.group_size])
                self._gradient_ms = plain_gradient_ms(self.case)
        except TimeLimitExceeded:
            self.timed_out = True

    def _probe(self) -> None:
        """Add to the case what only steps can tell of its optimizer."""
        self.case = replace(self.case, capabilities=probed(self.case.recipe, self.case.capabilities))
        self.mode = self.case.mode

    def _run_stacked(self) -> None:
        """Run all seeds as one stack; whatever shows that this is not exact leaves nothing behind but its reason."""
        case = self.case
        try:
            self._current = [self._lane(seed) for seed in case.seeds]
            for step in self._group([Stack(self._current)]).evaluations():
                if step == 0:  # after the initial evaluation, which a hang in the probe then leaves behind
                    admit(
                        case.recipe,
                        case.capabilities,
                        case.task,
                        len(case.seeds),
                        case.threshold.budget,
                        case.placement,
                    )
                if self.progress is not None:
                    self._report(step, self._current)
        except NotElementwise as refusal:
            self.refusal = _plain(str(refusal))
        except SharedRandomness:
            self.refusal = "draws random numbers"
        if self.refusal:
            self.mode = "lockstep"
            self._current = []
        self._finished, self._current = self._current, []

    def _run_group(self, seeds: Sequence[int]) -> None:
        for own_random in (False, True):
            self._current = [self._lane(seed) for seed in seeds]
            try:
                self._group([Separate(self._current)], own_random=own_random).run()
            except SharedRandomness:
                continue
            break
        self._finished += self._current
        self._current = []

    def _lane(self, seed: int) -> Lane:
        """A lane whose health is looked at, too; the first seed also keeps examples for a person to look at."""
        lane = new_lane(self.case, seed)
        lane.health = Health()
        lane.examples = {} if seed == self.case.seeds[0] else None
        return lane

    def _group(self, crews: Sequence[Crew], *, own_random: bool = False) -> Group:
        case = self.case
        return Group(
            case.task,
            batched_for(case),
            crews,
            case.placement,
            own_random=own_random,
            watch=self._report if self.progress else None,
        )

    def _report(self, step: int, lanes: Sequence[Lane]) -> None:
        assert self.progress is not None
        self.progress(step, [*self._finished, *lanes])

    @property
    def crash(self) -> Exception | None:
        """The first exception that the optimizer raised, in the order of the seeds."""
        return next(
            (lane.instance.crash for lane in [*self._finished, *self._current] if lane.instance.crash is not None), None
        )

    @property
    def crashed_at(self) -> tuple[int, int] | None:
        """Seed and step of the first exception."""
        lanes = [*self._finished, *self._current]
        return next(((lane.seed, lane.instance.crashed_at) for lane in lanes if lane.instance.crash is not None), None)

    def rows(self, unfinished: Outcome = "timeout") -> list[Run]:
        """One row per seed; a seed that was not run to the end has `unfinished` as its outcome."""
        lanes = {lane.seed: lane for lane in [*self._finished, *self._current]}
        rows = [
            lane_row(self.case, lanes.get(seed) or new_lane(self.case, seed), unfinished) for seed in self.case.seeds
        ]
        made = {"engine": self.mode, "engine_reason": self.refusal}
        return [replace(row, gradient_ms=self._gradient_ms, **made) for row in rows]  # type: ignore[arg-type]


def _plain(text: str) -> str:
    """One short line of ASCII: the text may quote an exception of the user's."""
    line = " ".join(text.split())
    return (line if len(line) <= _REASON else f"{line[: _REASON - 3]}...").encode("ascii", "backslashreplace").decode()


def plain_gradient_ms(case: Case) -> float | None:
    """Median milliseconds of what a loop over seeds does at every step beside optimizer.step(): one seed's loss and
    backward(). None for a task whose gradient is no derivative of its loss, or whose loss has no graph: a figure for
    the summary must not cost a case."""
    task = case.task
    if type(task).gradient is not Task.gradient:
        return None
    streams = Streams(task.name, task.version, case.seeds[0], 0)
    given, start = instance(task, case.seeds[0])
    constants = case.placement.put(given)
    batch = {name: tensor[0] for name, tensor in case.placement.put(task.batches(streams, 0, 1, given)).items()}
    durations = []
    for _ in range(_TIMINGS):
        parameters = {name: tensor.requires_grad_() for name, tensor in case.placement.put(start, task.dtype).items()}
        started = perf_counter()
        with torch.enable_grad():
            try:
                task.loss(parameters, constants, batch).backward()  # type: ignore[no-untyped-call]
            except RuntimeError:
                return None
        durations.append(perf_counter() - started)
        for tensor in parameters.values():
            tensor.grad = None
    return 1e3 * sorted(durations)[_TIMINGS // 2]


def new_lane(case: Case, seed: int) -> Lane:
    """A lane of the case before its first step."""
    record = Record(
        target=case.threshold.target,
        budget=case.threshold.budget,
        eval_every=case.threshold.eval_every,
        optimum=case.task.optimum,
        window=case.task.window,
        full_budget=case.full_budget,
    )
    return Lane(seed, case.recipe, case.capabilities, record)


def lane_row(case: Case, lane: Lane, unfinished: Outcome) -> Run:
    """The row of a lane of the case, as far as it got; `unfinished` is its outcome if its record has none."""
    record, instance = lane.record, lane.instance
    closures = case.capabilities.needs_closure and instance.steps
    unhealthy = lane.health and first_deviation(record, lane.health, case.task.sane)
    return blank_row(
        case,
        lane.seed,
        initial=record.values[0] if record.values else None,
        outcome="crashed" if instance.crash is not None else record.outcome or unfinished,
        steps_to_target=record.steps_to_target,
        level_steps=json.dumps([record.steps_to(level) for level in case.threshold.levels], separators=(",", ":")),
        best=record.best,
        final=record.values[-1] if record.values else None,
        evaluations=instance.gradients / instance.steps if closures else None,
        metrics=json.dumps(lane.metrics, sort_keys=True),
        curve=record.curve(),
        diagnostics=lane.health.to_json() if lane.health else "",
        unhealthy=str(unhealthy or ""),
        examples=json.dumps(lane.examples, separators=(",", ":")) if lane.examples else "",
        trajectory_sha=record.sha() if record.values else "",
        step_ms=None if instance.median_step is None else 1e3 * instance.median_step,
        state_bytes_per_param=instance.state_bytes_per_parameter,
        peak_bytes=peak_bytes(torch.device(case.device)),
    )


def blank_row(case: Case, seed: int, **measured: object) -> Run:
    """The row of a run of the case with all that is known before it starts, and what was `measured`."""
    fields: dict[str, object] = {
        "suite": f"optbench-{pytest_optbench.SUITE_VERSION}",  # not a number to whoever reads the CSV
        "task": case.task.name,
        "task_version": case.task.version,
        "tier": case.task.tier,
        "recipe": case.recipe.name,
        "optimizer": case.recipe.path,
        "optimizer_version": case.recipe.version,
        "regime": "tuned" if case.search else case.recipe.regime,
        "hyperparameters": case.recipe.hyperparameters_json,
        "tuned": case.recipe.tuned_json,
        "seed": seed,
        "budget": case.threshold.budget,
        "eval_every": case.threshold.eval_every,
        "optimum": case.task.optimum,
        "target": case.threshold.target,
        "engine": case.mode,
        "device": case.device,
        "dtype": str(case.task.dtype or case.dtype).removeprefix("torch."),
        **environment(),
        **measured,
    }
    return Run(**fields)  # type: ignore[arg-type]


def batched_for(case: Case) -> Batched:
    """The batched functions of the case's task."""
    return _batched(case.task, case.device, case.dtype)


@lru_cache(maxsize=256)
def _batched(task: Task, device: str, dtype: torch.dtype) -> Batched:
    """The task's batched functions. Their traces are worth keeping from one recipe to the next, which comes after all
    tasks of the one before: as many as a suite has, and some."""
    return Batched(task)
