"""Makes the landscape of a task of two parameters, with the ways of the references as they were tuned."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.func import vmap

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.machine.references import parse_reference, reference_recipe
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.tasks.task import Task, Tensors, instance, parameter_count
from pytest_optbench.machine.trajectory import Trajectory, trajectory
from pytest_optbench.words.baseline import shipped_reference
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.landscape import Landscape, Point, Way

SHOWN = ("SGD", "SGD-momentum", "RMSprop", "AdamW")
"""The references whose ways are drawn: more lines would hide each other."""
_GRID = 161
_MARGIN = 0.12
"""Around what is shown, as a share of its width and height."""


def landscape(task: Task, seed: int = 0) -> Landscape:
    """The evaluation around the ways that references take from one seed's start.

    Raises OptbenchError for a task that has not two parameters, or no target.
    """
    count = parameter_count(task)
    if count != 2:
        raise OptbenchError(f"task {task.name} has {count} parameters; a picture is drawn of 2")
    threshold = threshold_of(task)
    recipes = list(_recipes(task, threshold.reference))
    found = [trajectory(task, recipe, seed=seed, threshold=threshold) for recipe in recipes]
    constants, start = instance(task, seed)
    solution = task.solution(constants, 0)
    optimum = None if solution is None else _point(solution)
    ways = tuple(
        Way(name=_spelled(recipe), points=tuple(_finite(one)), steps=one.steps_to_target)
        for recipe, one in zip(recipes, found, strict=True)
    )
    # Ways that lead nowhere may lead far.
    kept = [point for way in ways for point in way.points if way.steps is not None] or [
        point for way in ways for point in way.points
    ]
    xs, ys = (_range([point[k] for point in [*kept, _point(start), *([optimum] if optimum else [])]]) for k in (0, 1))
    heights = _heights(task, constants, start, xs, ys)
    seen = [value for one in found for value in one.values if math.isfinite(value)]
    return Landscape(
        title=f"{task.name}@{task.version}, seed {seed}",
        axes=_axes(start),
        xs=tuple(xs.tolist()),
        ys=tuple(ys.tolist()),
        heights=tuple(map(tuple, heights.tolist())),
        least=min([float(heights.nan_to_num(nan=math.inf).min()), *seen]) if task.optimum is None else task.optimum,
        target=threshold.target,
        start=_point(start),
        optimum=optimum,
        ways=ways,
    )


def _recipes(task: Task, reference: str) -> Sequence[Recipe]:
    """The references that are shown, as tuned for the task; the one that set the budget where no others are known."""
    rows = shipped_reference()
    known = [rows[key] for name in SHOWN if (key := (name, task.name, task.version)) in rows]
    tuned = [replace(reference_recipe(row.recipe), hyperparameters=json.loads(row.hyperparameters)) for row in known]
    return tuned or [parse_reference(reference, where=f"threshold of {task.name}")]


def _spelled(recipe: Recipe) -> str:
    return f"{recipe.name}, lr {recipe.hyperparameters['lr']:.3g}"


def _point(parameters: Tensors) -> Point:
    x, y = torch.cat([tensor.flatten() for tensor in parameters.values()]).tolist()
    return x, y


def _finite(found: Trajectory) -> Sequence[Point]:
    points = map(_point, found.parameters)
    return [point for point in points if all(map(math.isfinite, point))]


def _axes(start: Tensors) -> tuple[str, str]:
    names = [
        name if tensor.numel() == 1 else f"{name}[{k}]" for name, tensor in start.items() for k in range(tensor.numel())
    ]
    return names[0], names[1]


def _range(values: Sequence[float]) -> Tensor:
    low, high = min(values), max(values)
    margin = _MARGIN * (high - low) or 1.0
    return torch.linspace(low - margin, high + margin, _GRID, dtype=torch.float64)


def _heights(task: Task, constants: Tensors, start: Tensors, xs: Tensor, ys: Tensor) -> Tensor:
    """The evaluation before the first step (rows, columns), in float64."""
    columns, rows = xs.repeat(len(ys)), ys.repeat_interleave(len(xs))
    exact = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in constants.items()}
    both, parameters = iter((columns, rows)), {}
    for name, tensor in start.items():
        entries = [next(both) for _ in range(tensor.numel())]
        parameters[name] = torch.stack(entries, dim=1).reshape(-1, *tensor.shape)

    def value(one: Tensors) -> Tensor:
        return task.evaluate(one, exact, torch.zeros((), dtype=torch.float64))

    with isolated(), torch.no_grad():
        if task.batchable:
            values = vmap(value)(parameters)
        else:
            lanes = ({name: tensor[k] for name, tensor in parameters.items()} for k in range(len(rows)))
            values = torch.stack([value(one) for one in lanes])
    return values.reshape(len(ys), len(xs))
