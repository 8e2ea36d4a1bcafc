"""Admission: the rules a task must keep before its verdicts mean anything, each answered by a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from pytest_optbench.machine.calibration import SEED_SETS
from pytest_optbench.machine.controls import BLIND, NO_OP, RANDOM_WALKS
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.batched import Batched
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.references import parse_reference
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.task import Task, Tensors, instance
from pytest_optbench.machine.trials import Trial, run_trials
from pytest_optbench.words.admission import KNOB, Finding
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.statistics import median
from pytest_optbench.words.threshold import Threshold

_EXACT = torch.float64
_NUMBERS = torch.finfo(_EXACT)
_LENGTH = 1e-6
"""Of the steps of central differences."""
_GRADIENT_ERROR = 1e-4
"""Allowed difference of a directional derivative, relative to the norm of the gradient."""


@dataclass(frozen=True)
class Grid:
    """How many seeds each rule looks at."""

    controls: int
    reference: int
    """Per seed set."""
    knobs: int


REDUCED = Grid(controls=4, reference=8, knobs=6)
FULL = Grid(controls=32, reference=32, knobs=8)


def finding(task: Task, rule: str, passed: bool, figure: str, sentence: str) -> Finding:
    """What a rule says of the task."""
    return Finding(
        task=task.name,
        task_version=task.version,
        rule=rule,
        outcome="passed" if passed else "failed",
        figure=figure,
        sentence=sentence,
    )


def admit(task: Task, threshold: Threshold | None, grid: Grid = FULL) -> tuple[Finding, ...]:
    """The findings of all rules that apply to the task, at this threshold; of the last and the third last without one.

    - `no_op`: without a move, no seed reaches the target;
    - `random_walk`: at no scale does a random walk pass (with half of the seeds);
    - `reference`: what set the budget reaches the target within it, but for one seed of each of two fixed sets;
    - `solution`: the known optimum satisfies the target;
    - `gradient`: derivatives agree with finite differences in float64, on a batch held fixed;
    - `knob NAME`: a knob that declares a direction costs the reference more steps in that direction;
    - `unknown_key`: a mistyped knob raises.
    """
    with isolated(), torch.no_grad():
        judged = _Judged(task, threshold, grid).findings() if threshold is not None else ()
        return (*judged, _gradient(task), _unknown_key(task))


class _Judged:
    """The rules that take a target and a budget."""

    def __init__(self, task: Task, threshold: Threshold, grid: Grid) -> None:
        self.task = task
        self.threshold = threshold
        self.grid = grid
        self.batched = Batched(task)

    def findings(self) -> Iterator[Finding]:
        yield from self._controls()
        try:
            reference = parse_reference(self.threshold.reference, where=f"threshold of {self.task.name}")
        except OptbenchError as error:
            yield self._finding("reference", False, "", str(error))
        else:
            yield self._reference(reference)
            for name, tasks in _ladders(self.task):
                yield self._knob(reference, name, tasks)
        yield from self._solution()

    def _finding(self, rule: str, passed: bool, figure: str, sentence: str) -> Finding:
        return finding(self.task, rule, passed, figure, sentence)

    def _controls(self) -> Iterator[Finding]:
        seeds = SEED_SETS[0][: min(self.grid.controls, self.task.seeds)]
        trials = run_trials(
            self.batched,
            [(recipe, BLIND, seed) for recipe in (NO_OP, *RANDOM_WALKS) for seed in seeds],
            budget=self.threshold.budget,
            eval_every=self.threshold.eval_every,
            own_random=True,
        )
        target = self.threshold.target
        still = self._reached([trial for trial in trials if trial.recipe is NO_OP], target)
        yield self._finding(
            "no_op",
            still == 0,
            f"{still}/{len(seeds)}",
            f"{still} of {len(seeds)} seeds are at the target without a move",
        )

        walks = {
            recipe.hyperparameters["lr"]: [trial for trial in trials if trial.recipe is recipe]
            for recipe in RANDOM_WALKS
        }
        scale = max(walks, key=lambda lr: self._reached(walks[lr], target))
        found = self._reached(walks[scale], target)
        shares = [
            f"{max(self._reached(walk, level) for walk in walks.values()) / len(seeds):.0%} at {level:.4g}"
            for level in self.threshold.levels
        ]
        yield self._finding(
            "random_walk",
            2 * found < len(seeds),
            f"{found}/{len(seeds)}{f' at {scale:g}' if found else ''}",
            f"{found} of {len(seeds)} seeds reach the target {f'at scale {scale:g}' if found else 'at any scale'}"
            f"{'; levels: ' if shares else ''}{', '.join(shares)}",
        )

    def _reached(self, trials: Sequence[Trial], target: float) -> int:
        return sum(math.isfinite(trial.steps_to(target, self.threshold.budget)) for trial in trials)

    def _reference(self, reference: Recipe) -> Finding:
        capabilities = validate(reference)
        sets = [seeds[: min(self.grid.reference, self.task.seeds)] for seeds in SEED_SETS]
        trials = run_trials(
            self.batched,
            [(reference, capabilities, seed) for seeds in sets for seed in seeds],
            budget=self.threshold.budget,
            eval_every=self.threshold.eval_every,
            target=self.threshold.target,
        )
        reached = [
            self._reached([trial for trial in trials if trial.seed in seeds], self.threshold.target) for seeds in sets
        ]
        return self._finding(
            "reference",
            all(count >= len(seeds) - 1 for count, seeds in zip(reached, sets, strict=True)),
            " ".join(f"{count}/{len(seeds)}" for count, seeds in zip(reached, sets, strict=True))
            + f" {self.threshold.reference}",
            f"{self.threshold.reference} reaches {self.threshold.target:.4g} within {self.threshold.budget} steps on "
            + " and ".join(f"{count} of {len(seeds)}" for count, seeds in zip(reached, sets, strict=True))
            + " seeds",
        )

    def _knob(self, reference: Recipe, name: str, tasks: Sequence[Task]) -> Finding:
        steps = [self._median_steps(reference, task) for task in tasks]
        pairs = ", ".join(
            f"{count:g} steps at {getattr(task, name):g}" for count, task in zip(steps, tasks, strict=True)
        )
        return self._finding(
            f"{KNOB}{name}",
            steps == sorted(steps) and steps[0] < steps[-1],
            ", ".join(f"{count:g}" for count in steps),
            f"{pairs} (medians)",
        )

    def _median_steps(self, reference: Recipe, task: Task) -> float:
        capabilities = validate(reference)
        trials = run_trials(
            self.batched if task == self.task else Batched(task),
            [(reference, capabilities, seed) for seed in SEED_SETS[0][: self.grid.knobs]],
            budget=task.horizon,
            eval_every=self.threshold.eval_every,
            target=self.threshold.target,
        )
        return median([trial.steps_to(self.threshold.target, task.horizon) for trial in trials])

    def _solution(self) -> Iterator[Finding]:
        constants, _ = instance(self.task, seed=0)
        values = []
        for step in (0, self.threshold.budget):
            solution = self.task.solution(constants, step)
            if solution is None:
                return
            values.append(self.task.evaluate(solution, constants, torch.tensor(float(step))).item())
        passed = all(value <= self.threshold.target for value in values)
        yield self._finding(
            "solution",
            passed,
            f"{max(values):.3g}",
            f"evaluates to {max(values):.4g}, where the target is {self.threshold.target:.4g}",
        )


def _gradient(task: Task) -> Finding:
    errors = [error for seed in range(2) for error in _gradient_errors(task, seed)]
    name, worst = max(errors, key=lambda pair: math.inf if math.isnan(pair[1]) else pair[1])
    return finding(
        task,
        "gradient",
        worst <= _GRADIENT_ERROR,
        f"{worst:.0e}",
        f"differs from finite differences by at most {worst:.1g} of its norm, in {name!r}",
    )


def _gradient_errors(task: Task, seed: int) -> Iterator[tuple[str, float]]:
    """For every parameter, the error of the derivative in one random direction, relative to the gradient."""
    given, start = instance(task, seed)
    block = task.batches(Streams(task.name, task.version, seed, block=0), 0, 1, given)
    constants, parameters = _in_float64(given), _in_float64(start)
    batch = _in_float64({name: tensor[0] for name, tensor in block.items()})
    _, gradient = task.gradient(parameters, constants, batch)
    generator = torch.Generator().manual_seed(seed)
    for name, slope in gradient.items():
        direction = torch.randn(slope.shape, generator=generator, dtype=_EXACT)
        ahead, behind = (
            task.objective(
                name, {**parameters, name: parameters[name] + length * direction}, parameters, constants, batch
            )
            for length in (_LENGTH, -_LENGTH)
        )
        error: Tensor = (slope * direction).sum() - (ahead - behind) / (2 * _LENGTH)
        # Beside a steep block the loss has no digits for a flat one: that is no fault of the gradient.
        rounding = 4 * _NUMBERS.eps * ahead.abs() / _LENGTH
        yield name, float((error.abs() - rounding).clamp(min=0) / slope.norm().clamp(min=_NUMBERS.tiny))


def _unknown_key(task: Task) -> Finding:
    name = "no_such_knob"
    assert name not in {declared.name for declared in fields(task)}
    try:
        replace(task, **{name: 1})
    except (TypeError, ValueError) as error:
        return finding(task, "unknown_key", True, "refused", f"raises {type(error).__name__}")
    return finding(task, "unknown_key", False, "accepted", f"{type(task).__name__}({name}=1) is accepted in silence")


def _ladders(task: Task) -> Iterator[tuple[str, tuple[Task, Task, Task]]]:
    """Every knob with a direction, and the task with half, once and twice its value, from easy to hard."""
    for declared in fields(task):
        direction = declared.metadata.get("harder")
        if direction is not None:
            value = getattr(task, declared.name)
            half = value // 2 if isinstance(value, int) else value / 2
            low, high = (replace(task, **{declared.name: other}) for other in (half, 2 * value))
            yield declared.name, (low, task, high) if direction == "more" else (high, task, low)


def _in_float64(tensors: Tensors) -> Tensors:
    return {name: tensor.to(_EXACT) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
