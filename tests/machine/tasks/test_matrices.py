"""Matrix completion: what a step sees, and what no prediction avoids."""

from __future__ import annotations

import pytest
import torch

from pytest_optbench.machine.tasks.matrices import MatrixCompletion

TASK = MatrixCompletion()
STEP = torch.tensor(0.0)


def test_a_step_sees_a_quarter_of_the_entries_at_four_times_their_weight(instance):
    mask = instance(TASK).block["mask"]
    assert mask.unique().tolist() == [0, 4]
    assert ((mask > 0).sum((1, 2)) == 64).all()
    assert mask.amax(0).all()


def test_noise_has_the_variance_that_is_the_optimum(instance):
    noise = torch.cat([instance(TASK, seed).block["noise"] for seed in range(4)])
    assert noise.square().mean().item() == pytest.approx(TASK.optimum, rel=0.03)


def test_evaluation_is_the_expectation_of_the_loss(instance):
    one = instance(TASK, dtype=torch.float64)
    losses = [TASK.loss(one.parameters, one.constants, one.batch(step)) for step in range(64)]
    expected = TASK.evaluate(one.parameters, one.constants, STEP)
    assert torch.stack(losses).mean().item() == pytest.approx(expected.item(), rel=0.05)


def test_the_matrix_has_the_rank_of_the_factors(instance):
    singular = torch.linalg.svdvals(instance(TASK).constants["product"])
    assert (singular[:3] > 1).all()
    assert (singular[3:] < 1e-4).all()


def test_a_rank_beyond_the_size_is_refused():
    with pytest.raises(ValueError, match="'rank' must be at most 'size' \\(4\\)"):
        MatrixCompletion(size=4, rank=5)
