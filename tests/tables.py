"""Small runs tables, written as a session writes them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv


def run(seed: int = 0, steps: int | None = 10, **changes: Any) -> Run:
    """A run of `Acme` on `bowl`, which has a budget of 100 steps and no place in the reference table."""
    values: dict[str, Any] = {
        "suite": "optbench-1",
        "task": "bowl",
        "tier": "unit",
        "recipe": "Acme",
        "optimizer": "acme:Acme",
        "seed": seed,
        "budget": 100,
        "eval_every": 1,
        "initial": 4.0,
        "optimum": 0.0,
        "target": 1.0,
        "outcome": "reached" if steps is not None else "missed",
        "steps_to_target": steps,
        "best": 0.5,
        "final": 0.5,
        "curve": json.dumps([[0, 4.0], [10, 1.0], [11 if steps is not None else 100, 0.5]]),
    }
    return Run(**{**values, **changes})


def case(steps: list[int | None], **changes: Any) -> list[Run]:
    """A run for each of the steps, from seed 0 on."""
    return [run(seed, one, **changes) for seed, one in enumerate(steps)]


def trial(lr: float, steps: list[int | None], **changes: Any) -> list[Run]:
    """The runs of a trial of tuning."""
    return [
        run(1_000_000 + k, one, trial=1, hyperparameters=json.dumps({"lr": lr}), **changes)
        for k, one in enumerate(steps)
    ]


def write(path: Path, runs: list[Run]) -> Path:
    path.write_text(to_csv(runs), encoding="utf-8", newline="")
    return path


MISSED = math.inf
