"""Schedule-free AdamW: Defazio et al. (2024), in the form that keeps y in the parameters and z in the state."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class ScheduleFreeAdamW(Optimizer):
    """Schedule-free steps along g / (sqrt(v_hat) + eps) + weight_decay y, with beta1 in the place of a momentum.

    `train()` puts y into the parameters and `eval()` puts x there; steps are taken at y.
    """

    def __init__(self, params, lr=2.5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, warmup_steps=0):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not (0.0 < betas[0] < 1.0 and 0.0 <= betas[1] < 1.0):
            raise ValueError(f"betas must be in (0, 1) and [0, 1): {betas}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative: {warmup_steps}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "warmup_steps": warmup_steps,
            "training": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def train(self):
        for group in self.param_groups:
            if not group["training"]:
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.lerp_(self.state[p]["z"], 1 - group["betas"][0])
            group["training"] = True

    @torch.no_grad()
    def eval(self):
        for group in self.param_groups:
            if group["training"]:
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.lerp_(self.state[p]["z"], 1 - 1 / group["betas"][0])
            group["training"] = False

    @torch.no_grad()
    def step(self, closure=None):
        if not all(group["training"] for group in self.param_groups):
            raise RuntimeError("call train() before step()")
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
                    raise RuntimeError("ScheduleFreeAdamW supports neither sparse gradients nor complex parameters")
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["lr_max"] = 0.0
                    state["weight_sum"] = 0.0
                    state["z"] = p.clone(memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                exp_avg_sq = state["exp_avg_sq"]
                state["step"] += 1
                warmup = min(1.0, state["step"] / max(1, group["warmup_steps"]))
                lr = group["lr"] * warmup
                state["lr_max"] = max(lr, state["lr_max"])
                weight = state["lr_max"] ** 2
                state["weight_sum"] += weight
                c = weight / state["weight_sum"] if state["weight_sum"] > 0 else 0.0
                exp_avg_sq.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                correction2 = 1 - beta2 ** state["step"]
                denominator = exp_avg_sq.div(correction2).sqrt_().add_(group["eps"])
                update = p.grad.div(denominator).add_(p, alpha=group["weight_decay"])
                p.lerp_(state["z"], c)
                p.add_(update, alpha=lr * (beta1 * (1 - c) - 1))
                state["z"].sub_(update, alpha=lr)
        return loss
