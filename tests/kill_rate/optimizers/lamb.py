"""LAMB, Adam with a trust ratio for each tensor: You et al. (2020), algorithm 2."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class LAMB(Optimizer):
    """u = m_hat / (sqrt(v_hat) + eps) + weight_decay p; p <- p - lr (|p| / |u|) u; the ratio is 1 where a norm is 0."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, *, maximize=False):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas must be in [0, 1): {betas}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("LAMB supports neither sparse gradients nor complex parameters")
                grad = -p.grad if group["maximize"] else p.grad
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                state["step"] += 1
                exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
                exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                correction1 = 1 - beta1 ** state["step"]
                correction2 = 1 - beta2 ** state["step"]
                denominator = exp_avg_sq.div(correction2).sqrt_().add_(group["eps"])
                update = exp_avg.div(correction1).div_(denominator)
                update.add_(p, alpha=group["weight_decay"])
                weight_norm = p.norm().item()
                update_norm = update.norm().item()
                ratio = weight_norm / update_norm if weight_norm > 0 and update_norm > 0 else 1.0
                p.add_(update, alpha=-group["lr"] * ratio)
        return loss
