"""A run: one recipe on one task with one seed, as the row of the runs table that it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from pytest_optbench.words.sheet import column as _column

SCHEMA = 1
Outcome = Literal["reached", "missed", "diverged", "crashed", "timeout"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
Regime = Literal["default", "fixed", "tuned"]

Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row of the runs table. None is an empty cell. The order of the fields is the order of the columns."""

    schema: int = _column("version of this table's columns", default=SCHEMA)
    suite: str = _column("version of the standard suite", default="")
    task: str = _column("name of the task", default="")
    task_version: int = _column("version of the task; results of different versions are never compared", default=1)
    tier: str = _column("unit, small or full", default="")
    recipe: str = _column("name of what is under test", default="")
    optimizer: str = _column("class or factory, as module:name", default="")
    optimizer_version: str = _column("version of the package that provides it", default="")
    regime: str = _column("where the hyperparameters come from: default, fixed or tuned", default="default")
    hyperparameters: str = _column(
        "what was set or tuned, as JSON; the class's own defaults are left out", default="{}"
    )
    tuned: str = _column("those of the hyperparameters that tuning has chosen, as JSON", default="{}")
    trial: int = _column("1 for a run of tuning, which no verdict counts; else 0", default=0)
    seed: int = _column("seed of the run", default=0)
    budget: int = _column("steps within which the target must be reached", unit="steps", default=0)
    eval_every: int = _column("steps between two evaluations", unit="steps", default=1)
    initial: float | None = _column("value of the evaluation before the first step")
    optimum: float | None = _column("known least value of the evaluation")
    target: float | None = _column("value of the evaluation that counts as solved")
    outcome: str = _column("reached, missed, diverged, crashed or timeout", default="missed")
    steps_to_target: int | None = _column(
        "steps to the first of two consecutive evaluations at or below the target", unit="steps"
    )
    level_steps: str = _column(
        "JSON list: steps to each level of the task's targets, from easy to hard; null where it is not reached, or is "
        "harder than the target, where the record ends",
        unit="steps",
        default="[]",
    )
    best: float | None = _column("least value of the evaluation")
    final: float | None = _column("last value of the evaluation")
    evaluations: float | None = _column(
        "gradients evaluated per optimizer step, if more than one (closures)", unit="gradients"
    )
    metrics: str = _column("further figures of merit at the end of the record, as JSON", default="{}")
    curve: str = _column("JSON list of [step, value] over a fixed log-spaced subset of the evaluations", default="[]")
    diagnostics: str = _column(
        "JSON of lists of [step, value] over every second step of the curve: gradient_norm (as handed to the optimizer "
        "at that step), update_ratio (norm of that step by that of the parameters before), loss (the training loss "
        "before it), and what the task adds, after so many steps; null is not finite",
        default="",
    )
    unhealthy: str = _column("the quantity that left its sane range first; empty for none", default="")
    examples: str = _column(
        "outputs of the first seed at the end of the record, as JSON; where a task has two parameters, its trajectory: "
        "[step, x, y] at some of the evaluations",
        default="",
    )
    trajectory_sha: str = _column("SHA-256 over every evaluation of the record, to the bit", default="")
    step_ms: float | None = _column("median time of optimizer.step()", unit="milliseconds", volatile=True)
    gradient_ms: float | None = _column(
        "median time of one seed's loss and backward() in a plain loop, measured beside the case",
        unit="milliseconds",
        volatile=True,
    )
    state_bytes_per_param: float | None = _column("optimizer state per scalar parameter at the end", unit="bytes")
    peak_bytes: int | None = _column(
        "peak memory: of the process on the CPU, of the allocator on an accelerator", unit="bytes", volatile=True
    )
    engine: str = _column("stacked, lockstep or sequential", default="")
    engine_reason: str = _column("why the seeds were not stacked, where that was tried", default="")
    torch: str = _column("version of torch", default="")
    numpy: str = _column("version of numpy", default="")
    python: str = _column("version of Python", default="")
    platform: str = _column("operating system and machine", default="")
    cpu: str = _column("torch's CPU capability", default="")
    device: str = _column("device of the run", default="cpu")
    dtype: str = _column("floating-point type of the parameters", default="float32")
    threads: int = _column("torch's intra-op threads", unit="threads", default=1)
    git_sha: str = _column("commit of the repository under test", default="")
    timestamp: str = _column("start of the session, UTC, ISO 8601", volatile=True, default="")
    verdict: str = _column(
        "passed, failed, xfailed, or reported where nothing hangs on it: of the case, the same in each of its rows",
        default="",
    )
    level: str = _column(
        "of the case beside the reference table, the hardest that its seeds show: solves, competitive or leads",
        default="",
    )
    change: str = _column(
        "of the case against the baseline: unchanged, changed, faster, slower, new, gone or incomparable", default=""
    )
    p_value: float | None = _column("of the case against the baseline, in the direction in which it is less")
    ratio: float | None = _column(
        "median over the pairs of seeds of steps now / steps in the baseline; inf: now missed"
    )
    ratio_low: float | None = _column("lower end of the 95 % interval of the ratio, for whatever distribution")
    ratio_high: float | None = _column("upper end of the 95 % interval of the ratio, for whatever distribution")

    @property
    def steps(self) -> float:
        """Steps to target, infinite where the target was not reached."""
        return math.inf if self.steps_to_target is None else float(self.steps_to_target)


COLUMNS: tuple[str, ...] = tuple(column.name for column in fields(Run))
VOLATILE: frozenset[str] = frozenset(column.name for column in fields(Run) if column.metadata["volatile"])


def column_documentation() -> list[tuple[str, str, str, str]]:
    """Name, type, unit and meaning of every column, in order."""
    return [(c.name, str(c.type), c.metadata["unit"], c.metadata["doc"]) for c in fields(Run)]
