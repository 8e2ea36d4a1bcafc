"""The reference implementations take the trajectories of torch.optim and of known packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from optimizers.adafactor import Adafactor
from optimizers.adagrad import Adagrad
from optimizers.adam import Adam
from optimizers.adamw import AdamW
from optimizers.lamb import LAMB
from optimizers.lion import Lion
from optimizers.muon import Muon
from optimizers.nadam import NAdam
from optimizers.radam import RAdam
from optimizers.rmsprop import RMSprop
from optimizers.schedule_free_adamw import ScheduleFreeAdamW
from optimizers.schedule_free_sgd import ScheduleFreeSGD
from optimizers.sgd import SGD
from optimizers.shampoo import Shampoo

SHAPES = ((4, 3), (3, 5), (6,), (2, 3, 2))
MATRICES = ((4, 3), (3, 5), (4, 4))

AGAINST_TORCH: dict[str, tuple[type, dict[str, Any]]] = {
    "SGD": (SGD, {}),
    "SGD momentum": (SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "SGD Nesterov": (SGD, {"momentum": 0.9, "nesterov": True, "maximize": True, "weight_decay": 0.1}),
    "SGD foreach": (SGD, {"momentum": 0.9, "nesterov": True, "maximize": True, "weight_decay": 0.1, "foreach": True}),
    "Adam": (Adam, {}),
    "Adam L2": (Adam, {"weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.95), "eps": 1e-2}),
    "AMSGrad": (Adam, {"amsgrad": True, "weight_decay": 0.1}),
    "Adam foreach": (Adam, {"amsgrad": True, "weight_decay": 0.1, "maximize": True, "foreach": True}),
    "AdamW": (AdamW, {}),
    "AdamW with all": (AdamW, {"amsgrad": True, "weight_decay": 0.3, "maximize": True, "eps": 1e-2}),
    "RMSprop": (RMSprop, {}),
    "RMSprop with all": (RMSprop, {"momentum": 0.9, "centered": True, "weight_decay": 0.1, "maximize": True}),
    "RMSprop centered": (RMSprop, {"centered": True, "alpha": 0.9, "eps": 1e-2}),
    "Adagrad": (Adagrad, {}),
    "Adagrad with all": (
        Adagrad,
        {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-2, "maximize": True},
    ),
    "RAdam": (RAdam, {}),
    "RAdam L2": (RAdam, {"weight_decay": 0.1, "maximize": True, "eps": 1e-2, "betas": (0.8, 0.95)}),
    "RAdam decoupled": (RAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "NAdam": (NAdam, {}),
    "NAdam L2": (NAdam, {"weight_decay": 0.1, "maximize": True, "eps": 1e-2, "momentum_decay": 0.1}),
    "NAdam decoupled": (NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
}


def trajectory(
    optimizer: type, options: dict[str, Any], shapes: tuple[tuple[int, ...], ...] = SHAPES, *, late: int = 4
) -> torch.Tensor:
    """Parameters after each of 30 steps, every one of which has a gradient of its own; one gradient comes late (but not
    where train() tells an optimizer with one step counter for all)."""
    generator = torch.Generator().manual_seed(1)
    params = [
        torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5) for shape in shapes
    ]
    made = optimizer([{"params": params[:2]}, {"params": params[2:], "lr": 0.02}], **{"lr": 0.01, **options})
    path = []
    for t in range(30):
        if hasattr(made, "train"):
            made.train()
        for index, p in enumerate(params):
            draw = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.grad = None if index == 1 and t < late and not hasattr(made, "train") else draw + 0.3 * p.detach()
        made.step()
        if hasattr(made, "eval") and t % 3 == 0:
            made.eval()
        path.append(torch.cat([p.detach().flatten() for p in params]))
    return torch.stack(path)


@pytest.mark.parametrize("name", AGAINST_TORCH)
def test_like_torch(name: str) -> None:
    ours, options = AGAINST_TORCH[name]
    theirs = trajectory(getattr(torch.optim, ours.__name__), options)
    torch.testing.assert_close(trajectory(ours, options), theirs, rtol=1e-6 if ours is NAdam else 1e-12, atol=1e-9)


def test_adafactor_with_a_relative_step_is_like_torchs() -> None:
    # torch adds a floor of eps1 to the mean and of eps1^2 to the estimate; neither matters at these sizes
    options = {"lr": 0.3, "weight_decay": 0.1, "d": 1.5, "maximize": True}
    ours = trajectory(Adafactor, {**options, "relative_step": True})
    theirs = trajectory(torch.optim.Adafactor, options)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_adafactor_without_a_relative_step_takes_lr_as_it_is() -> None:
    module = pytest.importorskip("pytorch_optimizer")

    options = {"betas": (None, 0.999), "weight_decay": 0.1, "scale_parameter": False, "relative_step": False}
    theirs = trajectory(module.AdaFactor, options, late=0)
    ours = trajectory(Adafactor, {"weight_decay": 0.1}, late=0)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"nesterov": False, "momentum": 0.8, "weight_decay": 0.3, "ns_steps": 3}])
def test_muon_is_like_torchs_but_for_its_bfloat16(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    theirs = trajectory(torch.optim.Muon, options, MATRICES)
    torch.testing.assert_close(trajectory(Muon, options, MATRICES), theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "betas": (0.8, 0.95)}])
def test_like_lion_pytorch(options: dict[str, Any]) -> None:
    module = pytest.importorskip("lion_pytorch")
    torch.testing.assert_close(trajectory(Lion, options), trajectory(module.Lion, options), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "warmup_steps": 5}])
@pytest.mark.parametrize("name", ["SGDScheduleFree", "AdamWScheduleFree"])
def test_like_schedulefree(name: str, options: dict[str, Any]) -> None:
    module = pytest.importorskip("schedulefree")
    ours = {"SGDScheduleFree": ScheduleFreeSGD, "AdamWScheduleFree": ScheduleFreeAdamW}[name]
    theirs = trajectory(getattr(module, name), {**options, "foreach": False})
    torch.testing.assert_close(trajectory(ours, options), theirs, rtol=1e-10, atol=1e-12)


def lamb(p: torch.Tensor, grads: list[torch.Tensor], lr: float, weight_decay: float) -> torch.Tensor:
    """Algorithm 2 of the paper from its sums, not its recursions: betas 0.9 and 0.999, eps 1e-6."""
    for t in range(1, len(grads) + 1):
        m = sum(0.1 * 0.9 ** (t - s) * grads[s - 1] for s in range(1, t + 1)) / (1 - 0.9**t)
        v = sum(0.001 * 0.999 ** (t - s) * grads[s - 1] ** 2 for s in range(1, t + 1)) / (1 - 0.999**t)
        u = m / (v**0.5 + 1e-6) + weight_decay * p
        p = p - lr * p.norm() / u.norm() * u
    return p


def shampoo(p: torch.Tensor, grads: list[torch.Tensor], lr: float, weight_decay: float) -> torch.Tensor:
    """Algorithm 1 of the paper with full singular value decompositions: eps 1e-2."""
    left, right = (1e-2 * torch.eye(size, dtype=p.dtype) for size in p.shape)
    for grad in grads:
        g = grad + weight_decay * p
        left, right = left + g @ g.T, right + g.T @ g
        p = p - lr * root(left, 4) @ g @ root(right, 4)
    return p


def root(matrix: torch.Tensor, power: int) -> torch.Tensor:
    u, s, v = torch.linalg.svd(matrix)
    return u @ torch.diag(s ** (-1 / power)) @ v


@pytest.mark.parametrize(("optimizer", "formula"), [(LAMB, lamb), (Shampoo, shampoo)])
def test_like_the_formula_of_the_paper(optimizer: type, formula: Callable[..., torch.Tensor]) -> None:
    generator = torch.Generator().manual_seed(2)
    start, *grads = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(12))
    p = torch.nn.Parameter(start.clone())
    made = optimizer([p], lr=0.02, weight_decay=0.1)
    for grad in grads:
        p.grad = grad.clone()
        made.step()
    torch.testing.assert_close(p.detach(), formula(start, grads, 0.02, 0.1), rtol=1e-8, atol=1e-10)


def test_shampoo_like_pytorch_optimizers() -> None:
    module = pytest.importorskip("pytorch_optimizer")
    theirs = trajectory(module.Shampoo, {"matrix_eps": 1e-2, "weight_decay": 0.1}, MATRICES)
    ours = trajectory(Shampoo, {"weight_decay": 0.1}, MATRICES)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)
