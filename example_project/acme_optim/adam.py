"""Adam with decoupled weight decay, and optionally with caution."""

import torch
from torch.optim import Optimizer


class AcmeAdam(Optimizer):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    With `cautious`, entries of the update that disagree in sign with the gradient are left out, and the others are
    scaled up by the share that was left out (Liang et al. 2024, arXiv 2411.16085); the entries of a tensor then
    depend on each other.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, cautious=False):
        if lr < 0 or eps < 0 or weight_decay < 0:
            raise ValueError(f"lr, eps and weight_decay must not be negative: {lr}, {eps}, {weight_decay}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be in [0, 1): {betas}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "cautious": cautious}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter, group):
        beta1, beta2 = group["betas"]
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        values = (parameter, parameter.grad, state["mean"], state["square"])
        # A complex number is two real ones; entry by entry the rule knows no others.
        parameter, gradient, mean, square = (as_real(value) for value in values)

        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        unbiased = mean / (1 - beta1 ** state["step"])
        scale = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        update = unbiased.div_(scale)
        if group["cautious"]:
            agrees = (update * gradient > 0).to(update.dtype)
            update.mul_(agrees / agrees.mean().clamp(min=1e-3))

        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(update, alpha=group["lr"])


def as_real(tensor):
    """The tensor itself, or a view of a complex one as pairs of real numbers."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
