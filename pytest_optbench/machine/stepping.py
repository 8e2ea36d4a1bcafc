"""Stepping: one optimizer.step() on prepared gradients as a function without arguments, to be timed from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch

from pytest_optbench.machine.recipe import Capabilities, Recipe
from pytest_optbench.words.errors import OptbenchError

Shape = tuple[int, ...]


def shape_of(parameters: int, dimensions: Collection[int]) -> Shape:
    """A shape of exactly so many parameters: the squarest matrix where matrices are accepted, else the least that is.

    >>> shape_of(1000, {1, 2}), shape_of(7, {1, 2}), shape_of(12, {1}), shape_of(12, {4})
    ((25, 40), (1, 7), (12,), (3, 4, 1, 1))
    """
    ndim = 2 if 2 in dimensions else min((number for number in dimensions if number), default=1)
    if ndim == 1:
        return (parameters,)
    rows = next(number for number in range(math.isqrt(parameters), 0, -1) if parameters % number == 0)
    return (rows, parameters // rows, *(1,) * (ndim - 2))


def step_function(
    recipe: Recipe, capabilities: Capabilities, shapes: Collection[Shape], *, device: str
) -> Callable[[], None]:
    """A function that does one step of the recipe's optimizer, on float32 parameters of these shapes.

    Parameters and gradients are drawn from N(0, 1), always the same; the gradients stay as they are, and a closure,
    where one is needed, computes nothing. One step has been done, so that no call pays for making the state; on an
    accelerator a call ends when the device is done. Raises OptbenchError for an optimizer that differentiates its
    gradients, since nothing stands behind prepared ones, and whatever the optimizer raises.
    """
    if capabilities.needs_graph:
        raise OptbenchError(
            f"{recipe.where}: {recipe.path} differentiates its gradients; a step on prepared ones says nothing of it"
        )
    place = torch.device(device)
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator).to(place)) for shape in shapes]
    gradients = [torch.randn(shape, generator=generator).to(place) for shape in shapes]
    loss = torch.ones((), device=place)

    def evaluate() -> torch.Tensor:
        # Anew every time: some optimizers clear the gradients themselves, and would then have nothing to do.
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    optimizer: Any = recipe.build(parameters)
    if capabilities.train_eval:
        optimizer.train()
    arguments = (evaluate,) if capabilities.needs_closure else ()
    wait = torch.cuda.synchronize if place.type == "cuda" else None

    def step() -> None:
        evaluate()
        optimizer.step(*arguments)
        if wait is not None:
            wait(place)

    step()
    return step
