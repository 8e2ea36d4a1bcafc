"""Consistency: what a row of a runs table contradicts, itself or the suite; one sentence for each finding."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_optbench.words.run import Run
from pytest_optbench.words.threshold import Threshold

TUNING_SEEDS_FROM = 1_000_000
"""Seeds of tuning count from here, and no seed of a scored run does."""
_SHA = re.compile(r"[0-9a-f]{64}")


def case_findings(runs: Sequence[Run], *, suite: str, threshold: Threshold | None) -> Iterator[tuple[Run, str]]:
    """What the rows of one case contradict, trials of tuning among them, each with the row.

    `threshold` is that of the task in the suite, None for a task that the suite does not have: then only what a row
    says about itself is looked at.
    """
    first = runs[0]
    scored = [run for run in runs if not run.trial]
    if not scored:
        yield first, "only trials of tuning: no run of this case counts"
    if first.suite != suite:
        yield first, f"suite is {first.suite!r}; this version checks {suite!r}"
    for run in runs:
        for sentence in (*_of_itself(run), *(_of_threshold(run, threshold) if threshold else ())):
            yield run, sentence
    yield from _of_seeds(scored)
    yield from _of_tuning(scored, [run for run in runs if run.trial])


def initial_findings(runs: Sequence[Run], known: Mapping[int, float | None]) -> Iterator[tuple[Run, str]]:
    """Where a seed does not start where it does in the reference table; `known` has the initial value by seed."""
    for run in runs:
        value = known.get(run.seed)
        if value is None or run.initial is None or run.device != "cpu":
            continue
        if not math.isclose(run.initial, value, rel_tol=1e-6, abs_tol=1e-12):
            yield run, f"initial is {run.initial!r}, and {value!r} in the reference table: another problem"


def _of_threshold(run: Run, threshold: Threshold) -> Iterator[str]:
    if run.target != threshold.target:
        yield f"target is {run.target!r}; the suite has {threshold.target!r}"
    if run.eval_every != threshold.eval_every:
        yield f"eval_every is {run.eval_every}; the suite has {threshold.eval_every}"
    if run.trial and not 0 < run.budget <= threshold.budget:
        yield f"budget of a trial is {run.budget}; the suite has {threshold.budget}, and a trial at most as many"
    if not run.trial and run.budget != threshold.budget:
        yield f"budget is {run.budget}; the suite has {threshold.budget}"
    yield from _of_levels(run, threshold)


def _of_levels(run: Run, threshold: Threshold) -> Iterator[str]:
    steps = _json(run.level_steps)
    if steps == []:
        return
    kind = all(one is None or type(one) is int for one in steps) if isinstance(steps, list) else False
    if not kind or len(steps) != len(threshold.levels):
        yield f"level_steps is {run.level_steps[:40]!r}; expected {len(threshold.levels)} numbers of steps, or null"
        return
    known = [math.inf if one is None else one for one in steps]
    if known != sorted(known):
        yield f"level_steps is {run.level_steps}: a harder level is reached before an easier one"
    for level, one in zip(threshold.levels, steps, strict=True):
        if math.isclose(level, threshold.target) and one != run.steps_to_target:
            yield f"level_steps has {one} at the target, and steps_to_target is {run.steps_to_target}"


def _of_itself(run: Run) -> Iterator[str]:
    steps, every = run.steps_to_target, max(run.eval_every, 1)
    if steps is not None:
        if not 0 <= steps <= run.budget:
            yield f"steps_to_target is {steps}, and the budget {run.budget}"
        if steps % every:
            yield f"steps_to_target is {steps}, no multiple of eval_every, {every}"
        if run.target is not None and (run.best is None or not run.best <= run.target):
            yield f"outcome is reached with best {run.best!r} above the target {run.target!r}"
    if run.best is not None:
        for name in ("initial", "final"):
            value = getattr(run, name)
            if value is not None and value < run.best:
                yield f"best is {run.best!r}, above {name}, {value!r}"
    if run.trajectory_sha and not _SHA.fullmatch(run.trajectory_sha):
        yield f"trajectory_sha is {run.trajectory_sha[:40]!r}; expected 64 hexadecimal digits"
    if (run.seed >= TUNING_SEEDS_FROM) != bool(run.trial):
        yield f"seed {run.seed} of {'a trial' if run.trial else 'a scored run'}; from {TUNING_SEEDS_FROM} on they tune"
    yield from _of_curve(run, _json(run.curve), every)
    yield from _of_values(run)


def _of_curve(run: Run, points: Any, every: int) -> Iterator[str]:
    if not points:
        if run.outcome in ("reached", "missed"):
            yield f"outcome is {run.outcome} without a curve"
        return
    steps = [step for step, _ in points]
    values = [value for _, value in points if value is not None]
    if steps[0] != 0 or steps != sorted(set(steps)) or any(step % every for step in steps):
        yield "the steps of the curve do not ascend from 0 in multiples of eval_every"
    for name, value, at in (("initial", run.initial, points[0][1]), ("final", run.final, points[-1][1])):
        if value is not None and math.isfinite(value) and value != at:
            yield f"{name} is {value!r}, and the curve has {at!r}"
    if run.best is not None and any(value < run.best for value in values):
        yield f"best is {run.best!r}, and the curve has {min(values)!r}"
    if steps[-1] > run.budget:
        yield f"the curve goes on to step {steps[-1]}, and the budget is {run.budget}"
    if run.steps_to_target is not None and steps[-1] < run.steps_to_target + every:
        yield f"the curve ends at step {steps[-1]}, before the target was held at two evaluations"
    if run.outcome == "missed" and not run.trial and steps[-1] + every <= run.budget:
        yield f"outcome is missed, and the curve ends at step {steps[-1]} of {run.budget}"


def _of_values(run: Run) -> Iterator[str]:
    values, tuned = _json(run.hyperparameters), _json(run.tuned)
    for name, value in tuned.items():
        if name not in values or values[name] != value:
            yield f"tuned has {name} = {value!r}, and hyperparameters {values.get(name)!r}"
    if not run.trial and (run.regime == "tuned") != bool(tuned):
        yield f"regime is {run.regime!r}, and tuned {run.tuned}"
    if run.regime == "default" and values:
        yield f"regime is 'default', and hyperparameters {run.hyperparameters}"


def _of_seeds(scored: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    seeds = [run.seed for run in scored]
    missing = sorted(set(range(max(seeds, default=-1) + 1)) - set(seeds))
    if missing and max(seeds) < TUNING_SEEDS_FROM:
        yield scored[0], f"seeds {', '.join(map(str, missing[:8]))} are missing: a choice of seeds is no result"


def _of_tuning(scored: Sequence[Run], trials: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    tried = {run.hyperparameters for run in trials}
    if scored and tried and scored[0].hyperparameters not in tried:
        yield scored[0], f"hyperparameters are {scored[0].hyperparameters}, and no trial of tuning had them"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
