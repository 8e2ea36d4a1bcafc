"""Schedule-free SGD: Defazio et al. (2024), in the form that keeps y in the parameters and z in the state."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class ScheduleFreeSGD(Optimizer):
    """z <- z - lr g(y); x <- (1 - c) x + c z; y <- (1 - momentum) z + momentum x; c weighs by lr^2.

    `train()` puts y into the parameters and `eval()` puts x there; steps are taken at y.
    """

    def __init__(self, params, lr=1.0, momentum=0.9, weight_decay=0.0, warmup_steps=0):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if not 0.0 < momentum < 1.0:
            raise ValueError(f"momentum must be between 0 and 1: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative: {warmup_steps}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
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
                        p.lerp_(self.state[p]["z"], 1 - group["momentum"])
            group["training"] = True

    @torch.no_grad()
    def eval(self):
        for group in self.param_groups:
            if group["training"]:
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.lerp_(self.state[p]["z"], 1 - 1 / group["momentum"])
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
            momentum = group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("ScheduleFreeSGD supports neither sparse gradients nor complex parameters")
                grad = p.grad
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["lr_max"] = 0.0
                    state["weight_sum"] = 0.0
                    state["z"] = p.clone(memory_format=torch.preserve_format)
                state["step"] += 1
                warmup = min(1.0, state["step"] / max(1, group["warmup_steps"]))
                lr = group["lr"] * warmup
                state["lr_max"] = max(lr, state["lr_max"])
                weight = state["lr_max"] ** 2
                state["weight_sum"] += weight
                c = weight / state["weight_sum"] if state["weight_sum"] > 0 else 0.0
                if group["weight_decay"] != 0:
                    grad = grad.add(p, alpha=group["weight_decay"])
                p.lerp_(state["z"], c)
                p.add_(grad, alpha=lr * (momentum * (1 - c) - 1))
                state["z"].sub_(grad, alpha=lr)
        return loss
