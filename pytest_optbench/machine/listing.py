"""The listing of tasks: a table of all, or one in full."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence

from pytest_optbench.machine.references import standard_rows
from pytest_optbench.machine.tasks.knobs import described_knobs
from pytest_optbench.machine.tasks.modules import ModuleTask
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tasks.task import Task, parameter_count, parameter_shapes
from pytest_optbench.words.baseline import BaselineRow, shipped_rows
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold


def table(tasks: Sequence[Task]) -> str:
    """One line per task: name@version, tier, target, budget, par, who set the budget, optimum, tags."""
    header = ("task", "tier", "target", "budget", "par", "budget from", "optimum", "tags")
    rows = [header, *(_row(task) for task in tasks)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def markdown(tasks: Sequence[Task]) -> str:
    """The same as a Markdown table, with the fastest reference and the source of each task."""
    header = ("task", "tier", "optimum", "target", "budget", "par", "budget from", "fastest reference", "source")
    rows = [header, ("---",) * len(header), *(_markdown_row(task) for task in tasks)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _markdown_row(task: Task) -> tuple[str, ...]:
    name, tier, target, budget, par, setter, optimum, _ = _row(task)
    best = standard_rows(task).get("leads")
    fastest = f"{best.recipe} {best.median_steps:g}" if best else "none"
    reports = "" if task.gates else " (report only)"
    source = task.source.replace("|", r"\|")  # a bar would end the cell
    return f"`{name}`{reports}", tier, optimum, target, budget, par, setter, fastest, source


def describe(task: Task, more: Mapping[str, str] | None = None) -> str:
    """One task in full: its docstring, everything that is known of it, and `more` facts by their names."""
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
        "horizon": f"{task.horizon} steps of a calibration run",
        "unbatched": task.unbatched if isinstance(task, ModuleTask) else "",
        "source": task.source,
        **(more or {}),
    }
    lines = [f"{task.name}@{task.version}", "", inspect.cleandoc(type(task).__doc__ or ""), ""]
    lines += [f"{name:12} {value}" for name, value in facts.items() if value]
    lines += _section("knobs", [f"{name} = {text}" for name, text in described_knobs(task).items()])
    lines += _section("references, each tuned for the target and the budget", list(_reference_lines(task)))
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _reference_lines(task: Task) -> Iterator[str]:
    """How the references do, the fastest first, from the shipped table."""
    rows = shipped_rows(task.name, task.version)
    for row in sorted(rows, key=lambda row: (row.median_steps, -_reached(row), row.recipe)):
        values = ", ".join(f"{name} {value}" for name, value in json.loads(row.hyperparameters).items())
        reached = f"{_reached(row)} of {len(row.seeds)} seeds"
        steps = f"{row.median_steps:g} steps" if _reached(row) * 2 > len(row.seeds) else "missed"
        yield f"{row.recipe:13} {steps:14} {reached:15} {values}"


def _reached(row: BaselineRow) -> int:
    return row.outcomes.count("reached")


def _row(task: Task) -> tuple[str, ...]:
    threshold = _threshold(task)
    return (
        f"{task.name}@{task.version}",
        task.tier,
        _number(threshold.target if threshold else None),
        str(threshold.budget) if threshold else "none",
        _number(threshold.par if threshold else None),
        (threshold.reference if threshold else "") or "none",
        _number(task.optimum),
        ", ".join(sorted(task.tags)),
    )


def _threshold(task: Task) -> Threshold | None:
    try:
        return threshold_of(task)
    except OptbenchError:
        return None


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
