"""A case: one recipe on one task over all its seeds; runs it and turns it into rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import torch

import pytest_optbench
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.engine.group import Group, Placement, SharedRandomness
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.environment import environment, peak_bytes
from pytest_optbench.machine.recipe import Capabilities, Recipe, probed
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.record import Record
from pytest_optbench.words.run import Outcome, Run
from pytest_optbench.words.threshold import Threshold

Mode = Literal["lockstep", "sequential"]
Progress = Callable[[int, Sequence[Lane]], None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that decides a case's rows. `engine` is a mode, or "auto" for the fastest exact one."""

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

    @property
    def mode(self) -> Mode:
        if self._alone or self.engine == "sequential":
            return "sequential"
        return "lockstep"

    @property
    def group_size(self) -> int:
        """Lanes in flight at once. In `sequential` it is one where seeds cannot share a gradient, else the two lanes
        that a batched gradient needs anyway."""
        if self._alone:
            return 1
        return 2 if self.mode == "sequential" else len(self.seeds)

    @property
    def _alone(self) -> bool:
        # A graph that seeds shared would be gone after the first of them used it.
        return self.capabilities.needs_closure or self.capabilities.needs_graph or not self.task.batchable


class CaseRun:
    """One execution of a case. After `run()`, or after an exception that came out of it, `rows()` has what was seen."""

    def __init__(self, case: Case, progress: Progress | None = None) -> None:
        self.case = case
        self.progress: Progress | None = progress
        self.timed_out = False
        self._finished: list[Lane] = []
        self._current: list[Lane] = []

    def run(self) -> None:
        """Run all seeds; never raises what the optimizer raises (see `crash`)."""
        try:
            with isolated(), torch.no_grad(), time_limit(self.case.timeout):
                case = self._probed()
                for start in range(0, len(case.seeds), case.group_size):
                    self._run_group(case.seeds[start : start + case.group_size])
        except TimeLimitExceeded:
            self.timed_out = True

    def _probed(self) -> Case:
        """The case, with what only steps can tell of its optimizer."""
        self.case = replace(self.case, capabilities=probed(self.case.recipe, self.case.capabilities))
        return self.case

    def _run_group(self, seeds: Sequence[int]) -> None:
        case = self.case
        placement = Placement(torch.device(case.device), case.dtype)
        for own_random in (False, True):
            self._current = [self._lane(seed) for seed in seeds]
            group = Group(
                case.task,
                _batched(case.task, case.device, case.dtype),
                self._current,
                placement,
                own_random=own_random,
                progress=self._report if self.progress else None,
            )
            try:
                group.run()
            except SharedRandomness:
                continue
            break
        self._finished += self._current
        self._current = []

    def _report(self, step: int, lanes: Sequence[Lane]) -> None:
        assert self.progress is not None
        self.progress(step, [*self._finished, *lanes])

    def _lane(self, seed: int) -> Lane:
        case = self.case
        record = Record(
            target=case.threshold.target,
            budget=case.threshold.budget,
            eval_every=case.threshold.eval_every,
            optimum=case.task.optimum,
            window=case.task.window,
            full_budget=case.full_budget,
        )
        return Lane(seed, case.recipe, case.capabilities, record)

    @property
    def crash(self) -> Exception | None:
        """The first exception that the optimizer raised, in the order of the seeds."""
        return next((lane.crash for lane in [*self._finished, *self._current] if lane.crash is not None), None)

    @property
    def crashed_at(self) -> tuple[int, int] | None:
        """Seed and step of the first exception."""
        lanes = [*self._finished, *self._current]
        return next(((lane.seed, lane.crashed_at) for lane in lanes if lane.crash is not None), None)

    def rows(self, unfinished: Outcome = "timeout") -> list[Run]:
        """One row per seed; a seed that was not run to the end has `unfinished` as its outcome."""
        lanes = {lane.seed: lane for lane in [*self._finished, *self._current]}
        return [self._row(seed, lanes.get(seed), unfinished) for seed in self.case.seeds]

    def _row(self, seed: int, lane: Lane | None, unfinished: Outcome) -> Run:
        lane = lane or self._lane(seed)
        record = lane.record
        parameters = sum(parameter.numel() for parameter in lane.parameters.values())
        closures = self.case.capabilities.needs_closure and lane.steps
        return blank_row(
            self.case,
            seed,
            initial=record.values[0] if record.values else None,
            outcome="crashed" if lane.crash is not None else record.outcome or unfinished,
            steps_to_target=record.steps_to_target,
            best=record.best,
            final=record.values[-1] if record.values else None,
            evaluations=lane.gradients / lane.steps if closures else None,
            metrics=json.dumps(lane.metrics, sort_keys=True),
            curve=record.curve(),
            trajectory_sha=record.sha() if record.values else "",
            step_ms=None if lane.median_step is None else 1e3 * lane.median_step,
            state_bytes_per_param=lane.state_bytes / parameters if parameters and lane.steps else None,
            peak_bytes=peak_bytes(torch.device(self.case.device)),
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
        "regime": case.recipe.regime,
        "hyperparameters": case.recipe.hyperparameters_json,
        "seed": seed,
        "budget": case.threshold.budget,
        "eval_every": case.threshold.eval_every,
        "optimum": case.task.optimum,
        "target": case.threshold.target,
        "engine": case.mode,
        "device": case.device,
        "dtype": str(case.dtype).removeprefix("torch."),
        **environment(),
        **measured,
    }
    return Run(**fields)  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def _batched(task: Task, device: str, dtype: torch.dtype) -> Batched:
    """The task's batched functions; their traces are worth keeping from one recipe to the next."""
    return Batched(task)
