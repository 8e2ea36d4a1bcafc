"""Controls move blindly or not at all, and cost no gradient."""

from __future__ import annotations

import torch

from pytest_optbench.machine.controls import NO_OP, RANDOM_WALKS, NoOp, RandomWalk


def never():
    raise AssertionError("a control asked for a gradient")


def test_no_op_never_moves():
    parameter = torch.ones(5)
    NoOp([parameter]).step(never)
    assert parameter.tolist() == [1.0] * 5


def test_a_random_walk_takes_normal_steps_of_its_scale():
    parameter = torch.zeros(10_000)
    walk = RandomWalk([parameter], lr=0.1)
    for _ in range(4):
        walk.step(never)
    assert abs(parameter.std().item() - 0.2) < 0.01
    assert abs(parameter.mean().item()) < 0.01


def test_walks_cover_the_decades():
    assert [recipe.hyperparameters["lr"] for recipe in RANDOM_WALKS] == [1e-3, 1e-2, 1e-1, 1.0]


def test_a_walk_declares_that_it_draws():
    assert all(recipe.claims == {"stochastic": True} for recipe in RANDOM_WALKS)
    assert NO_OP.claims == {}
