"""An exact task: one whose evaluation is its own objective, with no sampling between the two."""

from __future__ import annotations

from torch import Tensor

from pytest_optbench.machine.tasks.task import Task, Tensors


class ExactTask(Task):
    """Base class of tasks that write their objective once, as `value`; a noisy one adds noise to it in `loss`."""

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        """The objective, free of noise; 0-dim."""
        raise NotImplementedError

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.value(parameters, constants)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self.value(parameters, constants)
