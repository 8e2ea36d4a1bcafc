"""RAdam, Adam with a rectified variance: Liu et al. (2020), with coupled or decoupled weight decay as in torch."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class RAdam(Optimizer):
    """While the length rho of the second moment's average is at most 5, p <- p - lr m_hat; then Adam times r(rho)."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        decoupled_weight_decay=False,
        *,
        maximize=False,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas must be in [0, 1): {betas}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
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
            lr, weight_decay = group["lr"], group["weight_decay"]
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("RAdam supports neither sparse gradients nor complex parameters")
                grad = -p.grad if group["maximize"] else p.grad
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                state["step"] += 1
                step = state["step"]
                if weight_decay != 0:
                    if group["decoupled_weight_decay"]:
                        p.mul_(1 - lr * weight_decay)
                    else:
                        grad = grad.add(p, alpha=weight_decay)
                exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
                exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                correction1 = 1 - beta1**step
                correction2 = 1 - beta2**step
                rho_inf = 2 / (1 - beta2) - 1
                rho = rho_inf - 2 * step * beta2**step / correction2
                if rho > 5:
                    numerator = (rho - 4) * (rho - 2) * rho_inf
                    rectification = (numerator / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
                    denominator = exp_avg_sq.sqrt().add_(group["eps"])
                    size = lr * rectification * correction2**0.5 / correction1
                    p.addcdiv_(exp_avg, denominator, value=-size)
                else:
                    p.add_(exp_avg, alpha=-lr / correction1)
        return loss
