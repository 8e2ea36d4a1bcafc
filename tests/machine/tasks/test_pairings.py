"""Pairings: the scores of both tasks against loops, and the true density ratio of the Gaussian views."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.nn.functional import cosine_similarity, cross_entropy

from pytest_optbench.machine.tasks.images import TRAINING_SAMPLES
from pytest_optbench.machine.tasks.pairings import ContrastiveDigits, TwoViewAlignment, _scores
from pytest_optbench.machine.tasks.perceptron import outputs

STEP = torch.tensor(0.0)


@pytest.fixture
def digits(instance):
    return instance(ContrastiveDigits(), dtype=torch.float64)


@pytest.fixture
def views(instance):
    return instance(TwoViewAlignment(), dtype=torch.float64)


def pairing(scores):
    partners = torch.arange(len(scores))
    return (cross_entropy(scores, partners) + cross_entropy(scores.T, partners)) / 2


def contrast(parameters, images, masks):
    one, other = (outputs(parameters, (images * mask).T).T for mask in masks)
    return pairing(cosine_similarity(one[:, None], other[None], dim=2) / 0.2)


def test_contrastive_loss_is_that_of_cosines_over_the_temperature(digits):
    batch = digits.batch()
    expected = contrast(digits.parameters, digits.constants["images"][batch["rows"]], batch["masks"])
    found = digits.task.loss(digits.parameters, digits.constants, batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_contrastive_evaluation_is_the_mean_of_four_groups_never_trained_on(digits):
    rows = [slice(32 * group, 32 * group + 32) for group in range(4)]
    images = digits.constants["images"][TRAINING_SAMPLES:]
    expected = sum(contrast(digits.parameters, images[row], digits.constants["masks"][:, row]) for row in rows) / 4
    found = digits.task.evaluate(digits.parameters, digits.constants, STEP)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert digits.block["rows"].max() < TRAINING_SAMPLES


def test_masks_keep_seven_pixels_in_ten(digits):
    assert digits.block["masks"].mean().item() == pytest.approx(0.7, abs=0.01)


def test_a_linear_probe_of_random_units_is_better_than_guessing(digits):
    assert 0.5 < digits.task.metrics(digits.parameters, digits.constants)["linear_probe_accuracy"] < 0.95


def test_solution_scores_are_the_log_density_ratio_of_the_views(views):
    left, right = views.constants["left"], views.constants["right"]
    latent = torch.diag(torch.tensor([1.0, 0.8, 0.6, 0.4], dtype=torch.float64) ** 2)
    loadings = torch.cat([left, right])
    covariance = loadings @ latent @ loadings.T + 0.09 * torch.eye(20, dtype=torch.float64)
    x, y = views.constants["x"][0], views.constants["y"][0]
    joint = MultivariateNormal(torch.zeros(20, dtype=torch.float64), covariance, validate_args=False)
    one = MultivariateNormal(torch.zeros(10, dtype=torch.float64), covariance[:10, :10], validate_args=False)
    other = MultivariateNormal(torch.zeros(10, dtype=torch.float64), covariance[10:, 10:], validate_args=False)
    pairs = torch.cat([x[:, None].expand(-1, 32, -1), y[None].expand(32, -1, -1)], 2)
    ratio = joint.log_prob(pairs) - one.log_prob(x)[:, None] - other.log_prob(y)[None]
    solution = {name: tensor.double() for name, tensor in views.task.solution(views.constants, 0).items()}
    difference = _scores(solution, x[None], y[None])[0] - ratio
    # A constant changes no posterior.
    torch.testing.assert_close(difference, difference.mean().expand(32, 32), rtol=0, atol=1e-4)


def test_views_have_the_covariance_that_is_stated(instance):
    task = TwoViewAlignment()
    block, constants = instance(task).block, instance(task).constants
    x, y = block["x"].flatten(0, 1), block["y"].flatten(0, 1)
    common = torch.diag(torch.tensor([1.0, 0.8, 0.6, 0.4]) ** 2)
    torch.testing.assert_close(x.T @ y / len(x), constants["left"] @ common @ constants["right"].T, rtol=0, atol=0.1)
    own = constants["left"] @ common @ constants["left"].T + 0.09 * torch.eye(10)
    torch.testing.assert_close(x.T @ x / len(x), own, rtol=0, atol=0.1)


def test_alignment_is_evaluated_by_the_divergence_from_the_true_posterior(views):
    solution = {name: tensor.double() for name, tensor in views.task.solution(views.constants, 0).items()}
    excess = []
    for x, y in zip(views.constants["x"], views.constants["y"], strict=True):
        truth, scores = (_scores(parameters, x[None], y[None])[0] for parameters in (solution, views.parameters))
        for axis in (0, 1):
            p = truth.softmax(axis)
            excess.append((p * (truth.log_softmax(axis) - scores.log_softmax(axis))).sum(axis).mean())
    found = views.task.evaluate(views.parameters, views.constants, STEP)
    torch.testing.assert_close(found, torch.stack(excess).mean(), rtol=1e-4, atol=0)


def test_alignment_is_trained_on_the_pairs_of_the_batch(views):
    batch = views.batch()
    E, F, G, H = views.parameters.values()
    x, y = batch["x"], batch["y"]
    scores = torch.stack(
        [torch.stack([(E @ a) @ (F @ b) - ((G @ a) @ (G @ a) + (H @ b) @ (H @ b)) / 2 for b in y]) for a in x]
    )
    torch.testing.assert_close(views.task.loss(views.parameters, views.constants, batch), pairing(scores))
