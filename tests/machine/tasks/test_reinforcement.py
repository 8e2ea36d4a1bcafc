"""Policies: estimates against the exact gradients that they estimate, and closed forms of what is evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import grad, vmap

from pytest_optbench.machine.tasks.reinforcement import (
    CONTROL,
    DYNAMICS,
    EFFORT,
    TEMPERATURE,
    BanditPg,
    GridworldA2c,
    LqrPg,
    inverted,
)

STEP = torch.tensor(0.0)


def test_choices_have_the_probabilities_that_are_asked_for():
    probabilities = torch.tensor([0.1, 0.0, 0.6, 0.3])
    choices = inverted(probabilities, (torch.arange(1000) + 0.5) / 1000)
    assert torch.bincount(choices, minlength=4).tolist() == [100, 0, 600, 300]


def test_bandit_estimate_is_unbiased(instance):
    one = instance(BanditPg(pulls=500), dtype=torch.float64)
    batches = dict(one.block)
    estimates = vmap(lambda batch: one.task.gradient(one.parameters, one.constants, batch)[1]["logits"])(batches)
    exact = grad(lambda logits: TEMPERATURE * one.task.evaluate({"logits": logits}, one.constants, STEP))(
        one.parameters["logits"]
    )
    torch.testing.assert_close(estimates.mean(0), exact, rtol=0, atol=0.005)
    assert exact.abs().max() > 0.02


def test_bandit_falls_short_of_its_maximum_by_the_divergence(instance):
    one = instance(BanditPg(), dtype=torch.float64)
    metrics = one.task.metrics(one.parameters, one.constants)
    worth = 1 - metrics["regret"] + TEMPERATURE * metrics["entropy"]
    most = TEMPERATURE * (one.constants["rewards"] / TEMPERATURE).logsumexp(0)
    torch.testing.assert_close(
        (most - worth) / TEMPERATURE, one.task.evaluate(one.parameters, one.constants, STEP), rtol=1e-9, atol=1e-12
    )


def test_optimum_of_the_regulator_is_that_of_the_riccati_equation():
    linalg = pytest.importorskip("scipy.linalg")
    A, B, R = np.array(DYNAMICS), np.array(CONTROL)[:, None], np.array([[EFFORT]])
    P = linalg.solve_discrete_are(A, B, np.eye(2), R)
    gain = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
    assert np.trace(P) == pytest.approx(LqrPg.optimum, abs=1e-6)
    value = LqrPg().evaluate({"gain": torch.tensor(gain)}, {}, STEP)
    assert value.item() == pytest.approx(LqrPg.optimum, abs=1e-6)


def test_cost_of_a_rollout_is_the_sum_over_its_steps(instance):
    one = instance(LqrPg(), dtype=torch.float64)
    batch = one.batch()
    A, B = torch.tensor(DYNAMICS).double(), torch.tensor(CONTROL).double()
    costs = []
    for sign in (1, -1):
        gains = one.parameters["gain"] + sign * one.task.radius * batch["noise"]
        states, cost = batch["starts"], 0
        for _ in range(128):
            controls = -(gains * states).sum(1, keepdim=True)
            cost = cost + states.square().sum(1) + EFFORT * controls[:, 0].square()
            states = states @ A.T + controls * B
        costs.append(cost)
    torch.testing.assert_close(one.task.loss(one.parameters, {}, batch), torch.stack(costs).mean(), rtol=1e-6, atol=0)


def test_regulator_estimate_points_along_the_exact_gradient(instance):
    one = instance(LqrPg(directions=400, radius=0.01), dtype=torch.float64)
    batches = dict(one.block)
    estimates = vmap(lambda batch: one.task.gradient(one.parameters, {}, batch)[1]["gain"])(batches)
    exact = grad(lambda gain: one.task.evaluate({"gain": gain}, {}, STEP))(one.parameters["gain"])
    torch.testing.assert_close(estimates.mean(0), exact, rtol=0.1, atol=0.2)


def certain(moves):
    """Logits of a policy that goes right (2) or down (3) as `moves` say, cell by cell."""
    logits = torch.full((25, 4), -40.0, dtype=torch.float64)
    logits[torch.arange(25), torch.tensor(moves)] = 40.0
    return logits


def test_shortest_walk_attains_the_optimum(instance):
    one = instance(GridworldA2c(), dtype=torch.float64)
    moves = [2 if cell % 5 < 4 else 3 for cell in range(25)]
    value = one.task.evaluate({"logits": certain(moves)}, one.constants, STEP)
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert one.task.evaluate({"logits": certain([0] * 25)}, one.constants, STEP).item() == pytest.approx(0.99**8)


def test_returns_are_discounted_from_the_arrival(instance):
    one = instance(GridworldA2c(walks=3), dtype=torch.float64)
    moves = [2 if cell % 5 < 4 else 3 for cell in range(25)]
    visits = one.task._visits({**one.parameters, "logits": certain(moves)}, one.constants, one.batch())
    returns = visits.returns.view(24, 3)
    torch.testing.assert_close(returns[:8, 0], 0.99 ** torch.arange(8, 0, -1).double(), rtol=1e-6, atol=0)
    assert returns[8:].abs().max() == 0
    assert visits.cells.view(24, 3)[:9, 1].tolist() == [0, 1, 2, 3, 4, 9, 14, 19, 24]
    assert visits.walking.view(24, 3).sum(0).tolist() == [8, 8, 8]


def test_a_walk_that_is_cut_off_counts_on_the_critic(instance):
    one = instance(GridworldA2c(walks=2), dtype=torch.float64)
    visits = one.task._visits({**one.parameters, "logits": certain([0] * 25)}, one.constants, one.batch())
    expected = one.parameters["values"][0] * 0.99**24
    torch.testing.assert_close(visits.returns[0], expected, rtol=1e-6, atol=0)


def test_walks_follow_the_policy(instance):
    one = instance(GridworldA2c(walks=1500), dtype=torch.float64)
    visits = one.task._visits(one.parameters, one.constants, one.batch())
    at_start = visits.moves[visits.cells == 0]
    frequencies = at_start.bincount(minlength=4) / len(at_start)
    policy = one.parameters["logits"].softmax(1)[0].to(frequencies.dtype)
    torch.testing.assert_close(frequencies, policy, rtol=0, atol=0.02)


def test_each_player_descends_its_own_objective(instance):
    one = instance(GridworldA2c(), dtype=torch.float64)
    batch = one.batch()
    visits = one.task._visits(one.parameters, one.constants, batch)
    _, gradient = one.task.gradient(one.parameters, one.constants, batch)
    errors = visits.walking * (one.parameters["values"][visits.cells] - visits.returns) / len(visits.cells)
    expected = torch.zeros(25, dtype=torch.float64).index_add(0, visits.cells, errors)
    torch.testing.assert_close(gradient["values"], expected)
