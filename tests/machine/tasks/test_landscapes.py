"""Landscapes: values of the formulas, minima found anew, and the basin that a start belongs to."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import minimize
from torch.func import grad, vmap

from pytest_optbench.machine.tasks.convex import LogSumExp2, PowellSingular4, Zakharov5
from pytest_optbench.machine.tasks.landscapes import (
    Branin,
    Himmelblau,
    LogGoldsteinPrice,
    Mccormick,
    SixHumpCamel,
    StyblinskiTang2,
    ThreeHumpCamel,
)
from pytest_optbench.machine.tasks.multimodal import Ackley2, Rastrigin2
from pytest_optbench.machine.tasks.quadratics import Trid6

PLANE = [
    Himmelblau(),
    ThreeHumpCamel(),
    SixHumpCamel(),
    Mccormick(),
    Branin(),
    StyblinskiTang2(),
    LogGoldsteinPrice(),
    LogSumExp2(),
    Ackley2(),
    Rastrigin2(),
]
SMOOTH = [*PLANE[:8], PowellSingular4(), Zakharov5(), Trid6()]
SHIFTED = [ThreeHumpCamel(), LogSumExp2(), PowellSingular4(), Zakharov5(), Ackley2(), Rastrigin2()]
GRID = torch.cartesian_prod(*[torch.linspace(-12, 12, 481, dtype=torch.float64)] * 2)


def name(value):
    return getattr(value, "name", None)


def point(*coordinates):
    return torch.tensor(coordinates, dtype=torch.float64)


@pytest.mark.parametrize(
    ("task", "z", "expected"),
    [
        (Himmelblau(), (0, 0), 170),
        (Himmelblau(), (-2, 1), 36 + 64),
        (Himmelblau(), (3, 2), 0),
        (Himmelblau(), (3.584428, -1.848127), 0),
        (ThreeHumpCamel(), (1, 2), 2 - 1.05 + 1 / 6 + 2 + 4),
        (ThreeHumpCamel(), (1.7475523, -0.8737762), 0.2986384),
        (SixHumpCamel(), (1, 1), 4 - 2.1 + 1 / 3 + 1),
        (SixHumpCamel(), (-1, 2), 4 - 2.1 + 1 / 3 - 2 + 48),
        (SixHumpCamel(), (1.6071048, 0.5686514), 2.1042503),
        (Mccormick(), (0, 0), 1),
        (Mccormick(), (1, 2), math.sin(3) + 1 - 1.5 + 5 + 1),
        (Mccormick(), (-2.5, 0), math.sin(-2.5) + 6.25 + 3.75 + 1 + 10),
        (Mccormick(), (5, 6), math.sin(11) + 1 - 7.5 + 15 + 1 + 10 + 40),
        (Mccormick(), (0, -4), math.sin(-4) + 16 - 10 + 1 + 10),
        (Branin(), (0, 0), 36 + 20 - 10 / (8 * math.pi)),
        (Branin(), (-math.pi, 12.275), 0.3978874),
        (Branin(), (3 * math.pi, 2.475), 0.3978874),
        (StyblinskiTang2(), (1, -2), 0.5 * (1 - 16 + 5 + 16 - 64 - 10)),
        (LogGoldsteinPrice(), (1, 1), math.log((1 + 9 * 3) * (30 + 37))),
        (LogGoldsteinPrice(), (-0.6, -0.4), math.log(30)),
        (LogGoldsteinPrice(), (1.8, 0.2), math.log(84)),
        (LogSumExp2(), (0, 0), math.log(3 * math.exp(-0.1) + 1)),
        (LogSumExp2(), (0.1, 1), math.log(math.exp(3) + math.exp(-3) + math.exp(-0.2) + 1)),
        (PowellSingular4(), (3, -1, 0, 1), 215),
        (Zakharov5(), (1, 0, 0, 0, 0), 1 + 1 / 4 + 1 / 16),
        (Zakharov5(), (0, 1, 0, 1, -1), 3 + 1 / 4 + 1 / 16),
        (Trid6(), (1, 0, 0, 0, 0, 2), 5),
        (Trid6(), (1, 2, 3, 0, 0, 0), 1 + 4 + 3 - 8),
        (Ackley2(), (3, 0), 20 - 20 * math.exp(-0.2 * math.sqrt(4.5))),
        (Ackley2(), (0.5, 0.5), 20 - 20 * math.exp(-0.1) + math.e - math.exp(-1)),
        (Rastrigin2(), (2, -1), 5),
        (Rastrigin2(), (0.5, 0), 20.25),
    ],
    ids=name,
)
def test_height_of_the_formula(task, z, expected):
    assert task.height(point(*z)).item() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("task", SMOOTH, ids=name)
def test_the_optimum_is_what_an_independent_minimization_from_the_start_finds(task):
    found = minimize(
        lambda z: task.height(torch.from_numpy(z)).item(),
        task.start,
        jac=lambda z: grad(task.height)(torch.from_numpy(z)).numpy(),
        method="BFGS",
        options={"gtol": 1e-10},
    )
    assert found.fun == pytest.approx(task.optimum, rel=1e-10, abs=1e-9)


@pytest.mark.parametrize("task", SMOOTH, ids=name)
def test_the_minimum_is_stationary_and_as_low_as_the_optimum(task):
    minimum = point(*task.minimum)
    assert task.height(minimum).item() == pytest.approx(task.optimum, rel=1e-10, abs=1e-12)
    assert grad(task.height)(minimum).abs().max() < 1e-8


@pytest.mark.parametrize("task", PLANE, ids=name)
def test_nothing_in_the_plane_is_lower_than_the_optimum(task):
    assert vmap(task.height)(GRID).min() > task.optimum - 1e-9


@pytest.mark.parametrize(
    ("task", "length", "next_best"),
    [
        (ThreeHumpCamel(), 0.02, 0.2986),
        (SixHumpCamel(), 0.02, -0.2155),
        (Mccormick(), 0.02, 1.2283),
        (StyblinskiTang2(), 0.02, -64.2),
        (LogGoldsteinPrice(), 0.001, math.log(30)),
    ],
    ids=name,
)
def test_descent_in_small_steps_leads_from_the_starts_below_all_other_minima(task, length, next_best):
    generator = torch.Generator().manual_seed(0)
    z = point(*task.start) + task.jitter * torch.randn(64, 2, generator=generator, dtype=torch.float64)
    for _ in range(200 if length > 0.01 else 900):
        z.requires_grad_()
        (slope,) = torch.autograd.grad(vmap(task.height)(z).sum(), z)
        z = z.detach() - length * slope / slope.norm(dim=1, keepdim=True).clamp(min=1)
    assert (vmap(task.height)(z) < next_best).sum() >= 63


@pytest.mark.parametrize("task", SHIFTED, ids=name)
def test_a_shifted_landscape_moves_with_its_start(task, instance):
    ones = [instance(task, seed, dtype=torch.float64) for seed in range(100)]
    shifts = torch.stack([one.constants["shift"] for one in ones])
    assert shifts.std().item() == pytest.approx(1, rel=0.2)
    starts = torch.stack([one.parameters["x"] - one.constants["shift"] for one in ones])
    torch.testing.assert_close(starts.mean(0), point(*task.start), rtol=0, atol=0.04)
    assert (starts - point(*task.start)).std().item() == pytest.approx(0.1, rel=0.2)
    values = [task.evaluate(one.parameters, one.constants, torch.tensor(0.0)) for one in ones[:3]]
    torch.testing.assert_close(torch.stack(values), torch.stack([task.height(start) for start in starts[:3]]))


@pytest.mark.parametrize("task", [Himmelblau(), Mccormick(jitter=0.3), Branin(), Trid6()], ids=name)
def test_starts_scatter_by_the_jitter(task, instance):
    starts = torch.stack([instance(task, seed).parameters["x"] for seed in range(100)])
    torch.testing.assert_close(starts.mean(0), torch.tensor(task.start), rtol=0, atol=0.4 * task.jitter)
    assert (starts - torch.tensor(task.start)).std().item() == pytest.approx(task.jitter, rel=0.2)


def test_the_cusp_of_ackley_has_a_gradient():
    assert grad(Ackley2().height)(point(0, 0)).tolist() == [0, 0]


@pytest.mark.parametrize("task", [Ackley2(), Rastrigin2()], ids=name)
def test_multimodal_tasks_never_gate(task):
    assert not task.gates
