"""Gradient descent with momentum."""

import torch
from torch.optim import Optimizer


class AcmeMomentum(Optimizer):
    """Gradient descent with momentum, the heavy ball of Polyak (1964); meant for a decaying lr."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"lr must not be negative and momentum must be in [0, 1): {lr}, {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum})

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
                    state["velocity"] = torch.zeros_like(parameter)
                velocity = state["velocity"].mul_(group["momentum"]).add_(parameter.grad)
                parameter.sub_(velocity, alpha=group["lr"])
        return loss
