"""Shampoo, Kronecker-factored preconditioning: Gupta, Koren and Singer (2018), algorithm 2, with momentum."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Shampoo(Optimizer):
    """For each of the k dimensions H_i <- H_i + G_i G_i^T; the update is G times every H_i^(-1 / 2k).

    The roots are computed anew in the first step and in every `interval`-th after it.
    """

    def __init__(self, params, lr=1e-1, momentum=0.0, weight_decay=0.0, eps=1e-2, interval=1, *, maximize=False):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum must be in [0, 1): {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if eps <= 0.0:
            raise ValueError(f"eps must be positive: {eps}")
        if interval < 1:
            raise ValueError(f"interval must be at least 1: {interval}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eps": eps,
            "interval": interval,
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
                if p.grad is None or p.numel() == 0:
                    continue
                if p.grad.is_sparse or p.dtype not in (torch.float32, torch.float64):
                    raise RuntimeError("Shampoo supports dense gradients in float32 and float64 only")
                grad = -p.grad if group["maximize"] else p.grad
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    for k, size in enumerate(p.shape):
                        state[f"statistic_{k}"] = group["eps"] * torch.eye(size, dtype=p.dtype, device=p.device)
                        state[f"root_{k}"] = torch.zeros_like(state[f"statistic_{k}"])
                if group["weight_decay"] != 0:
                    grad = grad.add(p, alpha=group["weight_decay"])
                update = self.preconditioned(grad, state, group)
                state["step"] += 1
                if group["momentum"] > 0:
                    if "momentum_buffer" not in state:
                        state["momentum_buffer"] = torch.zeros_like(update)
                    update = state["momentum_buffer"].mul_(group["momentum"]).add_(update)
                p.add_(update, alpha=-group["lr"])
        return loss

    def preconditioned(self, grad, state, group):
        update = grad.clone()
        for k in range(grad.ndim):
            unfolded = grad.movedim(k, 0).reshape(grad.size(k), -1)
            state[f"statistic_{k}"].addmm_(unfolded, unfolded.T)
            if state["step"] % group["interval"] == 0:
                state[f"root_{k}"].copy_(self.inverse_root(state[f"statistic_{k}"], 2 * grad.ndim))
            update = torch.tensordot(update, state[f"root_{k}"], dims=([0], [0]))
        return update

    def inverse_root(self, matrix, power):
        values, vectors = torch.linalg.eigh(matrix)
        floor = torch.finfo(matrix.dtype).eps * values.max()
        return vectors * values.clamp(min=floor) ** (-1 / power) @ vectors.T
