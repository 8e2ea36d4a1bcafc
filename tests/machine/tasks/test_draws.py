"""Random tensors: reproducible, float32, and of the distribution that they promise."""

from __future__ import annotations

import pytest
import torch

from pytest_optbench.machine.tasks.draws import normal, rotation, uniform


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("draw", [normal, uniform])
def test_the_default_dtype_does_not_change_a_draw(draw, request):
    expected = draw(generator(), 3, 4)
    request.getfixturevalue("double_by_default")
    found = draw(generator(), 3, 4)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"), [(normal, 0.0, 1.0), (uniform, 0.5, 12**-0.5)], ids=["normal", "uniform"]
)
def test_draws_have_their_moments(draw, mean, deviation):
    draws = draw(generator(), 100, 100)
    assert draws.mean().item() == pytest.approx(mean, abs=0.03)
    assert draws.std().item() == pytest.approx(deviation, abs=0.03)


def test_a_rotation_keeps_lengths():
    R = rotation(generator(), 20)
    torch.testing.assert_close(R @ R.T, torch.eye(20))


def test_rotations_favour_no_direction():
    # Without the correction of signs, the QR decomposition favours one sign on the diagonal.
    diagonals = torch.stack([rotation(generator(seed), 3).diagonal() for seed in range(500)])
    torch.testing.assert_close(diagonals.mean(0), torch.zeros(3), rtol=0, atol=0.1)
