"""Small tasks and odd optimizers for tests of the engine, and cases of them as one expression."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.task import Task, Tensors, instance
from pytest_optbench.words.run import Run
from pytest_optbench.words.threshold import Threshold

SEEDS = tuple(range(8))
ODD = 2
"""The seed that misbehaves where one does."""


class Rich(Task):
    """A noisy quadratic with everything that a task can have; its last parameter holds the seed, and has no gradient.

    The greater the seed, the farther the start: seeds reach a target one after another.
    """

    name: ClassVar[str] = "rich"
    source: ClassVar[str] = "tests"
    horizon: ClassVar[int] = 100
    lag: ClassVar[int] = 3

    def shared(self) -> Tensors:
        return {"curvatures": torch.linspace(0.5, 1.5, 4)}

    def private(self, streams: Streams) -> Tensors:
        return {"centre": normal(streams.data, 4)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        start = constants["centre"] + 2.0**streams.seed * (1 + 0.1 * normal(streams.init, 4))
        return {"x": start, "seed": torch.tensor([float(streams.seed)])}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"noise": 1e-3 * normal(streams.noise, steps, 4)}

    def memory(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"late": torch.zeros(self.lag, 4)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants) + (batch["noise"] * parameters["x"]).sum()

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        late = memory["late"]
        return {**gradient, "x": late[0]}, {"late": torch.cat([late[1:], gradient["x"][None]])}

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self.value(parameters, constants)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"distance": (parameters["x"] - constants["centre"]).norm()}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        return 0.5 * (constants["curvatures"] * (parameters["x"] - constants["centre"]).square()).sum()


class Prompt(Rich):
    """The same without delay and noise."""

    name = "prompt"

    def memory(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants)

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return gradient, memory


class Unbatchable(Rich):
    """The same in a form that `vmap` refuses: Python looks at a value."""

    batchable = False

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        assert math.isfinite(parameters["seed"].item())
        return super().value(parameters, constants)


class Odd(torch.optim.Optimizer):
    """Gradient descent; subclasses misbehave, for the seed `ODD` alone or always."""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})
        self.count = 0

    @property
    def weights(self) -> Tensor:
        weights: Tensor = self.param_groups[0]["params"][0]
        return weights

    @property
    def is_odd(self) -> bool:
        return bool(self.param_groups[0]["params"][-1].flatten()[0] == ODD)

    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        self.count += 1
        self.misbehave()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.move(parameter, group["lr"])

    def move(self, parameter: Tensor, lr: float) -> None:
        parameter.add_(parameter.grad, alpha=-lr)

    def misbehave(self) -> None:
        pass


class Crashes(Odd):
    def misbehave(self) -> None:
        if self.is_odd and self.count == 4:
            raise ArithmeticError("at the fourth step")


class CrashesWhenBuilt(Odd):
    def __init__(self, params: Iterable[Tensor], lr: float = 0.1) -> None:
        super().__init__(params, lr)
        if self.is_odd:
            raise ArithmeticError("in the constructor")


class CrashesInTrain(Odd):
    def train(self) -> None:
        self.turns = getattr(self, "turns", 0) + 1
        if self.is_odd and self.turns == 4:
            raise ArithmeticError("in train()")

    def eval(self) -> None:
        pass


class Explodes(Odd):
    def misbehave(self) -> None:
        if self.is_odd and self.count == 4:
            self.weights.data.mul_(1e6)


class TurnsNaN(Odd):
    def misbehave(self) -> None:
        if self.is_odd and self.count == 4:
            self.weights.data.fill_(math.nan)


class Exits(Odd):
    def misbehave(self) -> None:
        if self.is_odd and self.count == 4:
            raise KeyboardInterrupt


class Hangs(Odd):
    def misbehave(self) -> None:
        if self.is_odd and self.count == 4:
            time.sleep(600)


class Replaces(Odd):
    """Gives a parameter new data in place of writing into it."""

    def move(self, parameter: Tensor, lr: float) -> None:
        assert parameter.grad is not None
        parameter.data = parameter.data - lr * parameter.grad


class InPlace(Odd):
    """What `Replaces` does, by writing."""

    def move(self, parameter: Tensor, lr: float) -> None:
        assert parameter.grad is not None
        parameter.copy_(parameter - lr * parameter.grad)


class SpoilsGradients(Odd):
    """Scales `p.grad` itself and leaves it so."""

    def move(self, parameter: Tensor, lr: float) -> None:
        assert parameter.grad is not None
        parameter.grad.mul_(lr)
        parameter.sub_(parameter.grad)
        parameter.grad.fill_(math.nan)


class CountsInPython(Odd):
    """Its step size follows from attributes, not from state."""

    def move(self, parameter: Tensor, lr: float) -> None:
        super().move(parameter, lr / (1 + 0.1 * self.count))


class Draws(Odd):
    """Adds noise from torch's global generator."""

    def move(self, parameter: Tensor, lr: float) -> None:
        super().move(parameter, lr)
        parameter.add_(torch.randn_like(parameter), alpha=1e-3)


class DrawsWhenBuilt(Odd):
    def __init__(self, params: Iterable[Tensor], lr: float = 0.1) -> None:
        super().__init__(params, lr * (1 + torch.rand(()).item()))


class DrawsFromNumpy(Odd):
    def misbehave(self) -> None:
        self.weights.data.add_(1e-3 * np.random.rand())


class DrawsFromPython(Odd):
    def misbehave(self) -> None:
        self.weights.data.add_(1e-3 * random.random())


class Reseeds(Odd):
    """Seeds the global generator with its own step count, then draws."""

    def misbehave(self) -> None:
        torch.manual_seed(self.count)
        self.weights.data.add_(torch.randn_like(self.weights), alpha=1e-3)


def recipe(optimizer: Callable[..., torch.optim.Optimizer], **options: Any) -> Recipe:
    return Recipe(name="odd", optimizer=optimizer, where="tests", **options)


def make_case(
    task: Task,
    optimizer: Callable[..., torch.optim.Optimizer],
    *,
    seeds: Sequence[int] = SEEDS,
    budget: int = 10,
    target: float = -math.inf,
    hyperparameters: dict[str, Any] | None = None,
    scheduler: Any = None,
    engine: str = "lockstep",
    **options: Any,
) -> Case:
    """A case that nobody leaves early, unless a target is given; evaluated at every step.

    In lockstep, unless another mode is asked for: most of the odd optimizers here look at one seed, stacked or not.
    """
    made = recipe(optimizer, hyperparameters=hyperparameters or {}, scheduler=scheduler)
    return Case(
        recipe=made,
        capabilities=validate(made),
        task=task,
        threshold=Threshold(target, budget),
        seeds=tuple(seeds),
        engine=engine,
        **options,
    )


def run(task: Task, optimizer: Callable[..., torch.optim.Optimizer], **options: Any) -> dict[int, Run]:
    """The rows of a case by seed."""
    case = CaseRun(make_case(task, optimizer, **options))
    case.run()
    return {row.seed: row for row in case.rows()}


def bits(task: Task, optimizer: Callable[..., torch.optim.Optimizer], **options: Any) -> dict[int, str]:
    """The hash of every trajectory by seed."""
    return {seed: row.trajectory_sha for seed, row in run(task, optimizer, **options).items()}


def by_hand(
    task: Task, seed: int, loop: Callable[[dict[str, torch.nn.Parameter], Callable[[int], Tensor]], None]
) -> float:
    """The final evaluation of an ordinary training loop; the loop is given the parameters and the loss of a step."""
    with isolated():
        constants, start = instance(task, seed)
        parameters = {name: torch.nn.Parameter(tensor) for name, tensor in start.items()}
        loop(parameters, lambda step: task.loss(parameters, constants, batch_of(task, seed, step, constants)))
        with torch.no_grad():
            return task.evaluate(dict(parameters), constants, torch.tensor(0.0)).item()


def batch_of(task: Task, seed: int, step: int, constants: Tensors) -> Tensors:
    block, offset = divmod(step, 64)
    data = task.batches(Streams(task.name, task.version, seed, block), block * 64, 64, constants)
    return {name: tensor[offset] for name, tensor in data.items()}
