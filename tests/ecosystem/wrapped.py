"""What a user of the six packages writes beside the table: optimizers that need more than numbers, and a schedule."""

from __future__ import annotations

from collections.abc import Iterable

import heavyball
import pytorch_optimizer
import torch
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR


def lookahead(parameters: Iterable[torch.Tensor], lr: float) -> Optimizer:
    """Lookahead around an AdamW."""
    return pytorch_optimizer.Lookahead(AdamW(parameters, lr=lr))


def muon(parameters: Iterable[torch.Tensor], lr: float, adamw_lr: float) -> Optimizer:
    """Muon for whatever has rows and columns, its own AdamW for the rest, as its documentation has it."""
    parameters = list(parameters)
    if any(isinstance(parameter, dict) for parameter in parameters):
        raise TypeError("makes its own two groups: expected parameters, not groups of them")
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    others = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}]
    return pytorch_optimizer.Muon([group for group in groups if group["params"]], lr=lr, adamw_lr=adamw_lr)


def sam(parameters: Iterable[torch.Tensor], lr: float, rho: float) -> Optimizer:
    """Sharpness-aware minimization around an AdamW."""
    return pytorch_optimizer.SAM(parameters, AdamW, rho=rho, lr=lr)


def sam_wrapper(parameters: Iterable[torch.Tensor], lr: float, ball: float) -> Optimizer:
    """heavyball's own, around its AdamW."""
    parameters = list(parameters)
    return heavyball.SAMWrapper(parameters, heavyball.AdamW(parameters, lr=lr), ball=ball)


def linear_decay(optimizer: Optimizer, budget: int) -> LambdaLR:
    """Down to a hundredth of the learning rate over the budget, for methods whose steps never shrink by themselves."""
    return LambdaLR(optimizer, lambda step: max(0.01, 1 - step / budget))
