"""Made-up runs, cases and entries for the tests of the analysis."""

from __future__ import annotations

import json
import math

import numpy as np

from pytest_optbench.analysis.categories import TaskFacts
from pytest_optbench.analysis.entries import Entry
from pytest_optbench.analysis.score import Scored
from pytest_optbench.words.run import Run
from pytest_optbench.words.threshold import Threshold

THRESHOLDS = {
    ("bowl", 1): Threshold(target=0.01, budget=100, par=40.0, levels=(1.0, 0.1, 0.01, 0.001)),
    ("valley", 1): Threshold(target=0.1, budget=400, par=None, levels=(1.0, 0.1)),
}
TASKS = {
    "bowl": TaskFacts(1, "unit", frozenset({"convex"})),
    "valley": TaskFacts(1, "unit", frozenset({"nonconvex", "ill_conditioned"})),
}


def run(recipe="Acme", task="bowl", seed=0, steps=50, **changes):
    """A run that is consistent with `THRESHOLDS`; `steps` is None for a miss."""
    threshold = THRESHOLDS.get((task, 1), Threshold(target=0.1, budget=100, levels=()))
    reached = steps is not None
    best = threshold.target / 2 if reached else 10 * threshold.target
    counted = [level for level in threshold.levels if level >= threshold.target]
    levels = [steps if level in counted else None for level in threshold.levels]
    last = threshold.budget if steps is None else steps
    fields = {
        "suite": "optbench-2026.1",
        "task": task,
        "tier": "unit",
        "recipe": recipe,
        "optimizer": f"acme:{recipe}",
        "optimizer_version": "1.0",
        "regime": "tuned",
        "hyperparameters": '{"lr": 0.1}',
        "tuned": '{"lr": 0.1}',
        "seed": seed,
        "budget": threshold.budget,
        "eval_every": threshold.eval_every,
        "initial": 10.0,
        "target": threshold.target,
        "outcome": "reached" if reached else "missed",
        "steps_to_target": steps,
        "level_steps": json.dumps(levels),
        "best": best,
        "final": best,
        "curve": json.dumps([[0, 10.0], [last, best]]),
        "step_ms": 0.2,
        "gradient_ms": 0.1,
        "state_bytes_per_param": 8.0,
    }
    return Run(**{**fields, **changes})


def entry(recipe, scores, *, source="runs.csv", regime="tuned", tier="unit", **fields):
    """An entry from its seeds' scores by task; None for a task without a target."""
    cases = {}
    for task, own in scores.items():
        cases[task] = Scored(
            **{
                "task": task,
                "tier": tier,
                "seeds": len(own),
                "scores": np.array(own, dtype=float),
                "initial": np.ones(len(own)),
                "best": np.zeros(len(own)),
                "budget": 100,
                "curves": (),
                "reached": len(own),
                "solved": True,
                "speed_up": 1.0,
                "breadth": math.nan,
                "step_ratio": math.nan,
                "state_bytes": 8.0,
                "hyperparameters": "{}",
                **fields,
            }
        )
    return Entry(
        recipe=recipe,
        optimizer="acme:It",
        version="1",
        suite="optbench-2026.1",
        regime=regime,
        source=source,
        cases=cases,
    )
