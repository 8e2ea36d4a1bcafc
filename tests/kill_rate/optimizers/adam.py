"""Adam and AMSGrad with coupled (L2) weight decay: Kingma and Ba (2015), Reddi et al. (2018)."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Adam(Optimizer):
    """p <- p - lr m_hat / (sqrt(v_hat) + eps); AMSGrad divides by the greatest second moment so far."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
        *,
        maximize=False,
        foreach=False,
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
            "amsgrad": amsgrad,
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
                if p.grad.is_sparse or p.is_complex():
                    raise RuntimeError("Adam supports neither sparse gradients nor complex parameters")
                if not self.state[p]:
                    self.begin(p, group)
            if group["foreach"]:
                self.update_all(moved, group)
            else:
                for p in moved:
                    self.update(p, group)
        return loss

    def begin(self, p, group):
        state = self.state[p]
        state["step"] = torch.tensor(0.0, dtype=torch.float32)
        state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def update(self, p, group):
        state = self.state[p]
        grad = -p.grad if group["maximize"] else p.grad
        beta1, beta2 = group["betas"]
        if group["weight_decay"] != 0:
            grad = grad.add(p, alpha=group["weight_decay"])
        state["step"] += 1
        step = state["step"].item()
        state["exp_avg"].mul_(beta1).add_(grad, alpha=1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        second = state["exp_avg_sq"]
        if group["amsgrad"]:
            torch.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
            second = state["max_exp_avg_sq"]
        correction1 = 1 - beta1**step
        correction2 = 1 - beta2**step
        denominator = (second.sqrt() / correction2**0.5).add_(group["eps"])
        p.addcdiv_(state["exp_avg"], denominator, value=-group["lr"] / correction1)

    def update_all(self, params, group):
        if not params:
            return
        beta1, beta2 = group["betas"]
        states = [self.state[p] for p in params]
        grads = [p.grad for p in params]
        if group["maximize"]:
            grads = torch._foreach_neg(grads)
        if group["weight_decay"] != 0:
            grads = torch._foreach_add(grads, params, alpha=group["weight_decay"])
        for state in states:
            state["step"] += 1
        first = [state["exp_avg"] for state in states]
        second = [state["exp_avg_sq"] for state in states]
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, grads, alpha=1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, grads, grads, value=1 - beta2)
        if group["amsgrad"]:
            greatest = [state["max_exp_avg_sq"] for state in states]
            torch._foreach_maximum_(greatest, second)
            second = greatest
        steps = [state["step"].item() for state in states]
        denominators = torch._foreach_sqrt(second)
        torch._foreach_div_(denominators, [(1 - beta2**step) ** 0.5 for step in steps])
        torch._foreach_add_(denominators, group["eps"])
        torch._foreach_addcdiv_(params, first, denominators, [-group["lr"] / (1 - beta1**step) for step in steps])
