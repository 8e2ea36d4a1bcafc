"""Stochastic gradient descent with momentum: Polyak (1964), Nesterov (1983) as in Sutskever et al. (2013)."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class SGD(Optimizer):
    """m <- momentum m + (1 - dampening) g; p <- p - lr m, or p - lr (g + momentum m) with Nesterov."""

    def __init__(
        self,
        params,
        lr=1e-2,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        *,
        maximize=False,
        foreach=False,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if momentum < 0.0:
            raise ValueError(f"momentum must not be negative: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if nesterov and (momentum <= 0.0 or dampening != 0.0):
            raise ValueError("nesterov needs a momentum and no dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for p in moved:
                if p.grad.is_sparse:
                    raise RuntimeError("SGD does not support sparse gradients")
            if group["foreach"]:
                self.update_all(moved, group)
            else:
                for p in moved:
                    self.update(p, group)
        return loss

    def update(self, p, group):
        grad = -p.grad if group["maximize"] else p.grad
        state = self.state[p]
        momentum = group["momentum"]
        if group["weight_decay"] != 0:
            grad = grad.add(p, alpha=group["weight_decay"])
        if momentum != 0:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = grad.clone()
            else:
                state["momentum_buffer"].mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            buffer = state["momentum_buffer"]
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        p.add_(grad, alpha=-group["lr"])

    def update_all(self, params, group):
        if not params:
            return
        grads = [p.grad for p in params]
        momentum = group["momentum"]
        if group["maximize"]:
            grads = torch._foreach_neg(grads)
        if group["weight_decay"] != 0:
            grads = torch._foreach_add(grads, params, alpha=group["weight_decay"])
        if momentum != 0:
            fresh = [(p, g) for p, g in zip(params, grads, strict=True) if "momentum_buffer" not in self.state[p]]
            old = [(p, g) for p, g in zip(params, grads, strict=True) if "momentum_buffer" in self.state[p]]
            if old:
                buffers = [self.state[p]["momentum_buffer"] for p, _ in old]
                torch._foreach_mul_(buffers, momentum)
                torch._foreach_add_(buffers, [g for _, g in old], alpha=1 - group["dampening"])
            for p, grad in fresh:
                self.state[p]["momentum_buffer"] = grad.clone()
            buffers = [self.state[p]["momentum_buffer"] for p in params]
            grads = torch._foreach_add(grads, buffers, alpha=momentum) if group["nesterov"] else buffers
        torch._foreach_add_(params, grads, alpha=-group["lr"])
