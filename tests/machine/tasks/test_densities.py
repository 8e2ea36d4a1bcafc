"""Flows and diffusion: change of variables, the score of the mixture, and its entropy."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad, jacrev, vmap

from pytest_optbench.machine.tasks.densities import (
    MODES,
    SPREAD,
    WIDTH,
    DdpmGmm2d,
    RealnvpGmm2d,
    _held_out,
    _schedule,
    expected_noise,
    log_mixture,
)

FLOW, DIFFUSION = RealnvpGmm2d(), DdpmGmm2d()
STEP = torch.tensor(0.0)


@pytest.fixture
def flow(instance):
    return instance(FLOW, dtype=torch.float64)


@pytest.fixture
def diffusion(instance):
    return instance(DIFFUSION, dtype=torch.float64)


def test_entropy_of_the_mixture_by_quadrature(diffusion):
    line = torch.linspace(-6, 6, 601, dtype=torch.float64)
    points = torch.cartesian_prod(line, line).T
    log_density = log_mixture(diffusion.constants["centres"], points)
    area = (line[1] - line[0]) ** 2
    assert (log_density.exp().sum() * area).item() == pytest.approx(1, abs=1e-6)
    entropy = -(log_density.exp() * log_density).sum() * area
    held_out = -log_mixture(diffusion.constants["centres"], _held_out(diffusion.constants)).mean()
    assert f"{entropy.item():.4f}" in FLOW.__doc__
    assert held_out.item() == pytest.approx(entropy.item(), abs=0.03)


def test_samples_are_the_inverse_of_the_flow(flow):
    latents = torch.randn(2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = {name: tensor + 0.3 for name, tensor in flow.parameters.items()}
    samples = FLOW._samples(parameters, latents)
    jacobians = vmap(jacrev(lambda one: FLOW._samples(parameters, one[:, None])[:, 0]))(latents.T)
    normal = -0.5 * latents.square().sum(0) - math.log(2 * math.pi)
    expected = normal - jacobians.det().abs().log()
    torch.testing.assert_close(FLOW._log_density(parameters, samples), expected)


def test_points_of_a_batch_are_of_the_mixture(flow):
    points = flow.block["points"].transpose(0, 1).flatten(1)
    centre = flow.constants["centres"].mean(1)
    torch.testing.assert_close(points.mean(1), centre, rtol=0, atol=0.1)
    torch.testing.assert_close(points.std(1), torch.full((2,), SPREAD, dtype=torch.float64), rtol=0.05, atol=0)


def test_expected_noise_is_the_score_of_the_mixed_mixture(diffusion):
    signal, noise = _schedule(torch.tensor(0.4, dtype=torch.float64))
    centres = diffusion.constants["centres"] / SPREAD
    points = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    width = ((signal * WIDTH / SPREAD).square() + noise.square()).sqrt()
    score = grad(lambda mixed: log_mixture(signal * centres, mixed, width).sum())(points)
    torch.testing.assert_close(expected_noise(centres, points, signal, noise), -noise * score)


def test_denoising_loss_is_the_evaluation_plus_what_is_irreducible(instance, monkeypatch):
    one = instance(DdpmGmm2d(batch_size=1000), dtype=torch.float64)
    truth = lambda parameters, mixed, signal, noise: expected_noise(  # noqa: E731
        one.constants["centres"] / SPREAD, mixed, signal, noise
    )
    loss = vmap(lambda batch: one.task.loss(one.parameters, one.constants, batch))(one.block).mean()
    excess = one.task.evaluate(one.parameters, one.constants, STEP)
    monkeypatch.setattr("pytest_optbench.machine.tasks.densities._denoiser", truth)
    irreducible = vmap(lambda batch: one.task.loss(one.parameters, one.constants, batch))(one.block).mean()
    assert one.task.evaluate(one.parameters, one.constants, STEP).item() == pytest.approx(0, abs=1e-12)
    assert (loss - irreducible).item() == pytest.approx(excess.item(), rel=0.05)
    metrics = one.task.metrics(one.parameters, one.constants)
    assert metrics["covered_modes"] == 1
    assert metrics["sample_log_density"] > -4


def test_a_sample_far_away_covers_no_mode(flow):
    far = {**flow.constants, "centres": flow.constants["centres"] + 100}
    assert FLOW.metrics(flow.parameters, far)["covered_modes"] == 0
    assert flow.constants["centres"].shape == (2, MODES)
