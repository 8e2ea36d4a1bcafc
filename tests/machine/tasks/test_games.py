"""Games: who descends what, the slopes in closed form, and the rotation around the equilibrium."""

from __future__ import annotations

import pytest
import torch
from torch.func import jacrev

from pytest_optbench.machine.tasks.games import BilinearGame, DiracGan

EXACT = torch.float64


def field(task, one, parameters):
    return task.gradient(parameters, one.constants, {})[1]


def test_slopes_of_the_bilinear_game(instance):
    task = BilinearGame(curvature=0.5)
    one = instance(task, dtype=EXACT)
    u, v = (one.parameters[name] - one.constants[f"centre_{name}"] for name in ("x", "y"))
    slopes = field(task, one, one.parameters)
    torch.testing.assert_close(slopes["x"], 0.5 * u + one.constants["coupling"] @ v)
    torch.testing.assert_close(slopes["y"], 0.5 * v - one.constants["coupling"].T @ u)


def test_slopes_of_the_dirac_gan(instance):
    task = DiracGan(regularization=0.5)
    one = instance(task, dtype=EXACT)
    theta, psi, data = one.parameters["generator"], one.parameters["discriminator"], one.constants["data"]
    fake, real = torch.sigmoid(-psi @ theta), torch.sigmoid(psi @ data)
    slopes = field(task, one, one.parameters)
    torch.testing.assert_close(slopes["generator"], fake * psi)
    torch.testing.assert_close(slopes["discriminator"], -(fake * theta - real * data - 0.5 * psi))


@pytest.mark.parametrize("task", [BilinearGame(), DiracGan()], ids=lambda task: task.name)
def test_no_player_wants_to_leave_the_equilibrium(task, instance):
    one = instance(task, dtype=EXACT)
    equilibrium = {name: tensor.to(EXACT) for name, tensor in task.solution(one.constants, 0).items()}
    for slope in field(task, one, equilibrium).values():
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("curvature", "damped"), [(0.0, False), (1.0, True)])
def test_the_bilinear_game_turns_and_only_curvature_damps_it(curvature, damped, instance):
    task = BilinearGame(curvature=curvature)
    one = instance(task, dtype=EXACT)
    parts = jacrev(lambda point: field(task, one, point))(one.parameters)
    jacobian = torch.cat([torch.cat([parts[row][column] for column in ("x", "y")], dim=1) for row in ("x", "y")])
    eigenvalues = torch.linalg.eigvals(jacobian)
    torch.testing.assert_close(eigenvalues.imag.abs(), torch.ones(10, dtype=EXACT), rtol=1e-5, atol=0)
    torch.testing.assert_close(eigenvalues.real, torch.full((10,), curvature, dtype=EXACT), rtol=0, atol=1e-6)
    step = 0.1 * field(task, one, one.parameters)["x"], 0.1 * field(task, one, one.parameters)["y"]
    after = {"x": one.parameters["x"] - step[0], "y": one.parameters["y"] - step[1]}
    before, closer = (task.evaluate(point, one.constants, torch.tensor(0.0)) for point in (one.parameters, after))
    assert (closer < before) == damped


def test_the_data_of_the_dirac_gan_are_one_to_two_away(instance):
    distances = torch.stack([instance(DiracGan(), seed).constants["data"].norm() for seed in range(200)])
    assert 1 <= distances.min() < 1.05
    assert 1.95 < distances.max() <= 2
