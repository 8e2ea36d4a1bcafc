"""Signs: what one step shows of every lane's health, measured from outside."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_optbench.machine.engine.batched import Stacked


class StepSigns:
    """Loss, gradient and update of one step of lanes that lie along the leading dimension.

    Sums are taken in double precision and over one lane at a time in memory: their bits, let alone the few digits that
    are kept, depend on nothing but the lane.
    """

    def __init__(self, before: Stacked) -> None:
        self._before = {name: tensor.clone() for name, tensor in before.items()}  # the step may write into them
        self._found: dict[str, list[float]] = {}

    def see(self, values: Tensor, gradients: Stacked) -> None:
        """Take the losses and gradients that the optimizer gets. A closure may be called again: the first call counts,
        which is at the parameters before the step."""
        if not self._found:
            self._found = {"loss": values.cpu().double().tolist(), "gradient_norm": lane_norms(gradients).tolist()}

    def after(self, parameters: Stacked) -> dict[str, list[float | None]]:
        """By quantity the value of every lane; None where there is none, as for updates of parameters that are 0."""
        update = lane_norms({name: tensor - self._before[name] for name, tensor in parameters.items()})
        pairs = zip(update.tolist(), lane_norms(self._before).tolist(), strict=True)
        signs: dict[str, list[float | None]] = {name: [*values] for name, values in self._found.items()}
        return {**signs, "update_ratio": [moved / size if size else None for moved, size in pairs]}


def lane_norms(tensors: Stacked) -> Tensor:
    """The norm over all tensors of every lane (lanes,)."""
    squares = [_rows(tensor).square().sum(dim=1) for tensor in tensors.values()]
    return torch.stack(squares).sum(dim=0).sqrt()


def _rows(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double().reshape(tensor.shape[0], -1)
