"""Restoration: what is left of the images, what is restored, and the linear bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from pytest_optbench.machine.tasks.images import TRAINING_SAMPLES, digits
from pytest_optbench.machine.tasks.perceptron import outputs
from pytest_optbench.machine.tasks.restoration import (
    DenoiseDigits,
    SuperResolutionDigits,
    linear_denoising_error,
    linear_super_resolution_error,
)

STEP = torch.tensor(0.0)
TASKS = [SuperResolutionDigits(), DenoiseDigits()]


@pytest.fixture
def blurred(instance):
    return instance(SuperResolutionDigits(), dtype=torch.float64)


@pytest.fixture
def noisy(instance):
    return instance(DenoiseDigits(), dtype=torch.float64)


def test_inputs_are_means_of_four_pixels(blurred):
    image = torch.tensor(digits()[0][3]).double().reshape(8, 8)
    expected = torch.nn.functional.avg_pool2d(image[None], 2)[0]
    torch.testing.assert_close(blurred.constants["inputs"][3].view(4, 4), expected)


def test_restored_images_are_judged_by_their_distance_from_the_truth(blurred):
    restored = blurred.task.examples(blurred.parameters, blurred.constants)["restored"]
    truth = torch.tensor(digits()[0][TRAINING_SAMPLES : TRAINING_SAMPLES + 2]).double()
    inputs = blurred.constants["inputs"][TRAINING_SAMPLES : TRAINING_SAMPLES + 2]
    residuals = blurred.constants["residuals"][TRAINING_SAMPLES : TRAINING_SAMPLES + 2]
    found = (outputs(blurred.parameters, inputs.T).T - residuals).square().sum(1)
    torch.testing.assert_close((restored.flatten(1) - truth).square().sum(1), found, rtol=1e-5, atol=0)


def test_a_network_of_zeros_restores_the_mean_image(noisy):
    zeros = {name: torch.zeros_like(tensor) for name, tensor in noisy.parameters.items()}
    training = torch.tensor(digits()[0][:TRAINING_SAMPLES]).double().mean(0)
    restored = noisy.task.examples(zeros, noisy.constants)["restored"].flatten(1)
    torch.testing.assert_close(restored, training.expand(2, -1), rtol=0, atol=1e-6)


def test_noise_has_the_size_that_is_stated(noisy):
    held_out = noisy.constants["noisy"] - noisy.constants["images"][TRAINING_SAMPLES:]
    assert held_out.std().item() == pytest.approx(0.3, abs=5e-3)
    assert noisy.block["noise"].std().item() == pytest.approx(0.3, abs=5e-3)


def test_loss_is_the_distance_of_the_output_for_noisy_images_from_clean_ones(noisy):
    batch = noisy.batch()
    images = noisy.constants["images"][batch["rows"]]
    restored = outputs(noisy.parameters, (images + batch["noise"]).T).T
    expected = (restored - images).square().sum(1).mean()
    torch.testing.assert_close(noisy.task.loss(noisy.parameters, noisy.constants, batch), expected)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_examples_are_few(task, instance):
    one = instance(task)
    images = task.examples(one.parameters, one.constants)
    assert sum(image.numel() for image in images.values()) <= 256
    assert images["restored"].shape == (2, 8, 8)


def test_linear_bound_of_super_resolution_is_that_of_a_regression():
    images = digits()[0].astype(np.float64)
    pooled = SuperResolutionDigits().shared()["inputs"].double().numpy()
    model = LinearRegression().fit(pooled[:TRAINING_SAMPLES], images[:TRAINING_SAMPLES])
    error = np.square(model.predict(pooled) - images)[TRAINING_SAMPLES:].sum(1).mean()
    assert linear_super_resolution_error() == pytest.approx(error, rel=1e-5)
    assert linear_super_resolution_error() == pytest.approx(1.4295, abs=1e-4)


def test_linear_bound_of_denoising_is_that_of_a_regression_on_much_noise():
    images = digits()[0].astype(np.float64)
    random = np.random.RandomState(0)
    repeated = np.repeat(images, 6, 0)
    noisy = repeated + 0.3 * random.standard_normal(repeated.shape)
    split = 6 * TRAINING_SAMPLES
    model = LinearRegression().fit(noisy[:split], repeated[:split])
    error = np.square(model.predict(noisy[split:]) - repeated[split:]).sum(1).mean()
    assert linear_denoising_error() == pytest.approx(error, rel=0.02)
    assert linear_denoising_error() == pytest.approx(1.4827, abs=1e-4)
