"""Stored runs: steps to target of many seeds, measured once, from which suites are resampled.

`python tests/simulation/stored.py` measures them anew. Three recipes on every unit task, with what misses and what
diverges: AdamW and Nesterov momentum as tuned for the reference table, and the latter at twice its learning rate. Each
also with `NUDGE` times its learning rate and the same seeds: the scatter of pairs when a real change moves every run.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

TABLE = Path(__file__).with_name("steps.csv")
SEEDS = 512
NUDGE = 0.87
RECIPES = {"AdamW": ("AdamW", 1.0), "momentum": ("SGD-nesterov", 1.0), "hot momentum": ("SGD-nesterov", 2.0)}
"""The reference, and what its tuned learning rate is multiplied by."""
MISSED, DIVERGED = "m", "d"


@dataclass(frozen=True, eq=False)
class Stored:
    """One recipe on one task: arrays over the seeds, of steps to target (infinite for a miss) and of what diverged."""

    recipe: str
    task: str
    budget: int
    eval_every: int
    steps: np.ndarray
    nudged: np.ndarray
    """Of the same seeds, at `NUDGE` times the learning rate."""
    diverged: np.ndarray
    nudged_diverged: np.ndarray

    @property
    def solved(self) -> bool:
        """Would this be gated? A known miss is not."""
        return bool(np.isfinite(self.steps).mean() >= 0.5)

    def scatter(self) -> np.ndarray:
        """What pairs differ by beside a common factor: per seed nudged / steps, over its median; 1 where one missed."""
        both = np.isfinite(self.steps) & np.isfinite(self.nudged)
        ratio = np.ones_like(self.steps)
        ratio[both] = self.nudged[both] / self.steps[both]
        if both.any():
            ratio[both] /= np.median(ratio[both])
        return ratio

    def slowed(self, factor: float | np.ndarray) -> np.ndarray:
        """The runs with `factor` times the steps, as the gate would see them: at the next evaluation, or as a miss.

        A run that was seen at an evaluation got there after the one before it: half an interval earlier on average.
        """
        evaluations = (self.steps / self.eval_every - 0.5) * factor
        steps = np.maximum(np.ceil(evaluations), 0) * self.eval_every
        return np.where(steps <= self.budget, steps, np.inf)


@cache
def stored_runs() -> tuple[Stored, ...]:
    """What `steps.csv` holds, recipe by recipe."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_parse(row) for row in csv.DictReader(file))


def _parse(row: dict[str, str]) -> Stored:
    cells, nudged = row["steps"].split(), row["nudged"].split()
    return Stored(
        recipe=row["recipe"],
        task=row["task"],
        budget=int(row["budget"]),
        eval_every=int(row["eval_every"]),
        steps=_numbers(cells),
        nudged=_numbers(nudged),
        diverged=np.array([cell == DIVERGED for cell in cells]),
        nudged_diverged=np.array([cell == DIVERGED for cell in nudged]),
    )


def _numbers(cells: list[str]) -> np.ndarray:
    return np.array([math.inf if cell in (MISSED, DIVERGED) else float(cell) for cell in cells])


def measure() -> None:
    """Run everything and write `steps.csv`."""
    from pytest_optbench.machine.tasks import BUILTIN  # noqa: PLC0415 - torch, which readers of the table do without

    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["recipe", "task", "task_version", "budget", "eval_every", "lr", "steps", "nudged"])
        for recipe in RECIPES:
            for task in BUILTIN:
                if task.tier == "unit":
                    writer.writerow(_measured(recipe, task))
                    file.flush()


def _measured(name: str, task: object) -> list[object]:
    import torch  # noqa: PLC0415

    from pytest_optbench.machine.engine.case import Case, CaseRun  # noqa: PLC0415
    from pytest_optbench.machine.recipe import validate  # noqa: PLC0415
    from pytest_optbench.machine.references import reference_recipe  # noqa: PLC0415
    from pytest_optbench.words.baseline import shipped_reference  # noqa: PLC0415
    from pytest_optbench.words.threshold import shipped_thresholds  # noqa: PLC0415

    torch.set_num_threads(1)
    reference, factor = RECIPES[name]
    row = shipped_reference()[reference, task.name, task.version]
    threshold = shipped_thresholds()[task.name, task.version]
    lr = json.loads(row.hyperparameters)["lr"] * factor
    cells = []
    for rate in (lr, NUDGE * lr):
        recipe = reference_recipe(reference, rate)
        case = CaseRun(
            Case(
                recipe=recipe,
                capabilities=validate(recipe),
                task=task,
                threshold=threshold,
                seeds=tuple(range(SEEDS)),
            )
        )
        case.run()
        letters = {"missed": MISSED, "diverged": DIVERGED}
        cells.append(" ".join(letters.get(run.outcome) or str(run.steps_to_target) for run in case.rows()))
    return [name, task.name, task.version, threshold.budget, threshold.eval_every, f"{lr:g}", *cells]


if __name__ == "__main__":
    measure()
