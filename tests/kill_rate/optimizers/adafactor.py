"""Adafactor, a factored second moment: Shazeer and Stern (2018), algorithms 4 to 6."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Adafactor(Optimizer):
    """p <- p - alpha u / max(1, rms(u) / d), u = g / sqrt(v), v a rank-one estimate over the last two dimensions.

    alpha is lr, or max(eps2, rms(p)) min(lr, 1 / sqrt(t)) with `relative_step`.
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay=-0.8,
        eps=(1e-30, 1e-3),
        d=1.0,
        weight_decay=0.0,
        relative_step=False,
        *,
        maximize=False,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if beta2_decay > 0.0:
            raise ValueError(f"beta2_decay must not be positive: {beta2_decay}")
        if eps[0] < 0.0 or eps[1] < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        if d < 1.0:
            raise ValueError(f"d must be at least 1: {d}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "relative_step": relative_step,
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
            eps1, eps2 = group["eps"]
            for p in group["params"]:
                if p.grad is None or p.numel() == 0:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("Adafactor supports neither sparse gradients nor complex parameters")
                grad = -p.grad if group["maximize"] else p.grad
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    if p.ndim > 1:
                        state["row_var"] = torch.zeros_like(p[..., :1])
                        state["col_var"] = torch.zeros_like(p[..., :1, :])
                    else:
                        state["variance"] = torch.zeros_like(p)
                state["step"] += 1
                weight = state["step"] ** group["beta2_decay"]
                alpha = group["lr"]
                if group["relative_step"]:
                    rms = p.norm().item() / p.numel() ** 0.5
                    alpha = max(eps2, rms) * min(alpha, state["step"] ** -0.5)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                square = grad.square()
                if p.ndim > 1:
                    state["row_var"].lerp_(square.mean(dim=-1, keepdim=True), weight)
                    state["col_var"].lerp_(square.mean(dim=-2, keepdim=True), weight)
                    mean = state["row_var"].mean(dim=-2, keepdim=True)
                    variance = state["row_var"] * state["col_var"] / mean.clamp_(min=eps1)
                else:
                    state["variance"].lerp_(square, weight)
                    variance = state["variance"].clone()
                update = variance.clamp_(min=eps1).rsqrt_().mul_(grad)
                rms = update.norm().item() / update.numel() ** 0.5
                p.add_(update, alpha=-alpha / max(1.0, rms / group["d"]))
        return loss
