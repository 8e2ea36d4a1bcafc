"""Learning-rate schedules, as factories (optimizer, budget) -> scheduler."""

from torch.optim.lr_scheduler import LambdaLR


def linear_decay(optimizer, budget):
    """Hold the learning rate for half of the budget, then lower it to a tenth in a straight line."""
    return LambdaLR(optimizer, lambda step: 1 - 0.9 * max(0.0, 2 * min(step / budget, 1) - 1))
