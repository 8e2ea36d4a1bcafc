"""Adagrad: Duchi, Hazan and Singer (2011), with torch's learning rate decay and initial accumulator."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Adagrad(Optimizer):
    """s <- s + g^2; p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)."""

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        eps=1e-10,
        *,
        maximize=False,
    ):
        if lr < 0.0:
            raise ValueError(f"lr must not be negative: {lr}")
        if lr_decay < 0.0:
            raise ValueError(f"lr_decay must not be negative: {lr_decay}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay must not be negative: {weight_decay}")
        if initial_accumulator_value < 0.0:
            raise ValueError(f"initial_accumulator_value must not be negative: {initial_accumulator_value}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
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
                if p.grad is None:
                    continue
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("Adagrad supports neither sparse gradients nor complex parameters")
                grad = -p.grad if group["maximize"] else p.grad
                if group["weight_decay"] != 0:
                    grad = grad.add(p, alpha=group["weight_decay"])
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["sum"] = torch.full_like(p, group["initial_accumulator_value"])
                lr = group["lr"] / (1 + state["step"] * group["lr_decay"])
                state["step"] += 1
                state["sum"].addcmul_(grad, grad)
                denominator = state["sum"].sqrt().add_(group["eps"])
                p.addcdiv_(grad, denominator, value=-lr)
        return loss
