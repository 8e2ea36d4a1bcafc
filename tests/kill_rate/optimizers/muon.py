"""Muon, momentum orthogonalized by Newton-Schulz: Jordan et al. (2024); matrices only, in the parameter's dtype."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Muon(Optimizer):
    """m <- momentum m + (1 - momentum) g; p <- (1 - lr weight_decay) p - lr sqrt(max(1, rows / columns)) NS(m)."""

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        ns_coefficients=(3.4445, -4.7750, 2.0315),
        eps=1e-7,
        ns_steps=5,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum must be in [0, 1): {momentum}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if ns_steps < 1:
            raise ValueError(f"ns_steps must be at least 1: {ns_steps}")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                raise ValueError(f"Muon takes matrices only, not a parameter of shape {tuple(p.shape)}")

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            momentum = group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("Muon supports neither sparse gradients nor complex parameters")
                grad = p.grad
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(grad, memory_format=torch.preserve_format)
                buffer = state["momentum_buffer"]
                buffer.lerp_(grad, 1 - momentum)
                direction = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
                update = self.orthogonalized(direction, group)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                scale = max(1.0, p.size(0) / p.size(1)) ** 0.5
                p.add_(update, alpha=-group["lr"] * scale)
        return loss

    def orthogonalized(self, matrix, group):
        a, b, c = group["ns_coefficients"]
        tall = matrix.size(0) > matrix.size(1)
        x = matrix.T if tall else matrix
        x = x / x.norm().clamp(min=group["eps"])
        for _ in range(group["ns_steps"]):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.T if tall else x
