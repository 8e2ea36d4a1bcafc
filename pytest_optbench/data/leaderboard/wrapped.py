"""What a user writes beside the table of the leaderboard: optimizers of pytorch_optimizer that need more than numbers.

Every factory has the name, and so the version, of the class that it makes; one learning rate serves both parts of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytorch_optimizer
from torch import Tensor
from torch.optim import AdamW, Optimizer

from pytest_optbench.data.leaderboard.making import Factory, making


def _muon_like(made: type[Optimizer]) -> Factory:
    """Muon for whatever has rows and columns, its own AdamW for the rest, as its documentation has it."""

    @making(made)
    def factory(parameters: Iterable[Tensor], lr: float) -> Optimizer:
        parameters = list(parameters)
        matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
        others = [parameter for parameter in parameters if parameter.ndim < 2]
        groups = [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}]
        build: Any = made
        optimizer: Optimizer = build([group for group in groups if group["params"]], lr=lr, adamw_lr=lr)
        return optimizer

    return factory


muon = _muon_like(pytorch_optimizer.Muon)
ada_muon = _muon_like(pytorch_optimizer.AdaMuon)
ada_go = _muon_like(pytorch_optimizer.AdaGO)
nor_muon = _muon_like(pytorch_optimizer.NorMuon)
muon_clip = _muon_like(pytorch_optimizer.MuonClip)


def _sharpness_aware(made: type[Optimizer]) -> Factory:
    """A sharpness-aware method around AdamW."""

    @making(made)
    def factory(parameters: Iterable[Tensor], lr: float) -> Optimizer:
        build: Any = made
        optimizer: Optimizer = build(parameters, AdamW, lr=lr)
        return optimizer

    return factory


sam = _sharpness_aware(pytorch_optimizer.SAM)
friendly_sam = _sharpness_aware(pytorch_optimizer.FriendlySAM)
look_sam = _sharpness_aware(pytorch_optimizer.LookSAM)


def _around_adamw(made: type[Optimizer]) -> Factory:
    """A method that wraps another optimizer, around AdamW."""

    @making(made)
    def factory(parameters: Iterable[Tensor], lr: float) -> Optimizer:
        build: Any = made
        optimizer: Optimizer = build(AdamW(parameters, lr=lr))
        return optimizer

    return factory


lookahead = _around_adamw(pytorch_optimizer.Lookahead)
trac = _around_adamw(pytorch_optimizer.TRAC)
ortho_grad = _around_adamw(pytorch_optimizer.OrthoGrad)
magma = _around_adamw(pytorch_optimizer.Magma)
