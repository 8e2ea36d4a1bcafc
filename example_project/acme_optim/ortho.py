"""Momentum whose update of a matrix is orthogonalized."""

import torch
from torch.optim import Optimizer


class AcmeOrtho(Optimizer):
    """Orthogonalized momentum for matrices (Muon, Jordan et al. 2024), normalized momentum for everything else.

    A matrix moves by `lr * sqrt(max(rows, columns))` times the nearest orthogonal matrix of its momentum, any other
    parameter by `lr * sqrt(entries)` times its momentum's direction: either way an entry moves by about `lr`.
    """

    def __init__(self, params, lr=1e-2, momentum=0.9):
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"lr must not be negative and momentum must be in [0, 1): {lr}, {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        if any(parameter.is_complex() for parameter in self.param_groups[-1]["params"]):
            raise ValueError("complex parameters are not supported")

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
                ahead = parameter.grad + group["momentum"] * momentum
                parameter.sub_(direction(ahead), alpha=group["lr"])
        return loss


def direction(update):
    """The orthogonal factor of a matrix, the direction of anything else; entries are about 1 in size."""
    if update.ndim != 2:
        return update * update.numel() ** 0.5 / update.norm().clamp(min=1e-12)
    return orthogonalized(update) * max(update.shape) ** 0.5


def orthogonalized(matrix, steps=6):
    """The nearest (semi-)orthogonal matrix, by Newton-Schulz iterations with the coefficients of Muon."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / matrix.norm().clamp(min=1e-12)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
