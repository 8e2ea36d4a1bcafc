"""The listing of tasks: a table of all, or one in full."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tasks.task import Task, parameter_count, parameter_shapes
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold


def table(tasks: Sequence[Task]) -> str:
    """One line per task: name@version, tier, target, budget, par, optimum, source."""
    header = ("task", "tier", "target", "budget", "par", "optimum", "source")
    rows = [header, *(_row(task) for task in tasks)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def describe(task: Task) -> str:
    """One task in full: its docstring and everything that is known of it."""
    threshold = _threshold(task)
    shapes = ", ".join(f"{name} {shape}" for name, shape in parameter_shapes(task).items())
    facts = {
        "tier": task.tier,
        "tags": ", ".join(sorted(task.tags)),
        "parameters": f"{parameter_count(task)}: {shapes}",
        "optimum": _number(task.optimum),
        "target": _number(threshold.target if threshold else None),
        "levels": ", ".join(map(_number, threshold.levels)) if threshold else "",
        "budget": f"{threshold.budget} steps, evaluated every {threshold.eval_every}" if threshold else "none",
        "par": f"{_number(threshold.par)} (median steps of tuned AdamW)" if threshold else "none",
        "budget from": threshold.reference if threshold else "",
        "source": task.source,
    }
    lines = [f"{task.name}@{task.version}", "", inspect.getdoc(type(task)) or "", ""]
    lines += [f"{name:12} {value}" for name, value in facts.items() if value]
    return "\n".join(lines) + "\n"


def _row(task: Task) -> tuple[str, ...]:
    threshold = _threshold(task)
    return (
        f"{task.name}@{task.version}",
        task.tier,
        _number(threshold.target if threshold else None),
        str(threshold.budget) if threshold else "none",
        _number(threshold.par if threshold else None),
        _number(task.optimum),
        task.source,
    )


def _threshold(task: Task) -> Threshold | None:
    try:
        return threshold_of(task)
    except OptbenchError:
        return None


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
