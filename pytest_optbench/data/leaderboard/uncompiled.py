"""heavyball with its compiler off: it compiles every function at its first call, for half a minute."""

from __future__ import annotations

from collections.abc import Iterable

import heavyball
from torch import Tensor
from torch.optim import Optimizer

from pytest_optbench.data.leaderboard.making import making

heavyball.utils.compile_mode = None


@making(heavyball.SAMWrapper)
def sam_wrapper(parameters: Iterable[Tensor], lr: float) -> Optimizer:
    """heavyball's sharpness-aware wrapper, around its AdamW."""
    parameters = list(parameters)
    made: Optimizer = heavyball.SAMWrapper(parameters, heavyball.AdamW(parameters, lr=lr))
    return made
