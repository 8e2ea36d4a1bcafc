"""RMSprop: Tieleman and Hinton (2012), centered as in Graves (2013), with momentum as torch has it."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2; p <- p - lr g / (sqrt(v) + eps), through a momentum buffer if there is one."""

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0.0,
        momentum=0.0,
        centered=False,
        *,
        maximize=False,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not 0.0 <= alpha < 1.0:
            raise ValueError(f"alpha must be in [0, 1): {alpha}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if momentum < 0.0:
            raise ValueError(f"momentum must not be negative: {momentum}")
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, group)
        return loss

    def update(self, p, group):
        if p.grad.is_sparse or p.is_complex():
            raise RuntimeError("RMSprop supports neither sparse gradients nor complex parameters")
        state = self.state[p]
        if not state:
            state["square_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            if group["momentum"] > 0:
                state["momentum_buffer"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            if group["centered"]:
                state["grad_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        grad = -p.grad if group["maximize"] else p.grad
        if group["weight_decay"] != 0:
            grad = grad.add(p, alpha=group["weight_decay"])
        alpha = group["alpha"]
        square_avg = state["square_avg"]
        square_avg.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            state["grad_avg"].mul_(alpha).add_(grad, alpha=1 - alpha)
            variance = square_avg.addcmul(state["grad_avg"], state["grad_avg"], value=-1)
            denominator = variance.clamp_(min=0).sqrt_().add_(group["eps"])
        else:
            denominator = square_avg.sqrt().add_(group["eps"])
        if group["momentum"] > 0:
            state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, denominator)
            p.add_(state["momentum_buffer"], alpha=-group["lr"])
        else:
            p.addcdiv_(grad, denominator, value=-group["lr"])
