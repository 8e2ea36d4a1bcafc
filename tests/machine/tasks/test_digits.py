"""The digits: the data, the convex optimum, and both networks against torch's own modules."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.digits import TRAINING_SAMPLES, DigitsLogreg, DigitsMlp32Relu, DigitsMlpBn

STEP = torch.tensor(0.0)


@pytest.fixture
def zeros(instance):
    return {name: torch.zeros_like(tensor) for name, tensor in instance(DigitsLogreg()).parameters.items()}


def reference_network(parameters):
    """The same network out of torch's modules, its normalization in training mode."""
    width = len(parameters["gain_0"])
    network = nn.Sequential(
        *(nn.Linear(64, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()),
        *(nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()),
        nn.Linear(width, 10),
    ).double()
    for own, given in zip(network.parameters(), parameters.values(), strict=True):
        own.data = given
    return network


@pytest.fixture
def trained_a_little(instance):
    """An instance whose gains and shifts are no longer ones and zeros."""
    one = instance(DigitsMlpBn(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    moved = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        for name, tensor in one.parameters.items()
    }
    return replace(one, parameters=moved)


def reference_perceptron(parameters):
    """The plain network out of torch's modules."""
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()
    for own, given in zip(network.parameters(), parameters.values(), strict=True):
        own.data = given
    return network


@pytest.fixture
def perceptron(instance):
    """An instance whose biases are no longer zeros."""
    one = instance(DigitsMlp32Relu(), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    biases = {
        name: torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        for name, tensor in one.parameters.items()
        if name.startswith("bias")
    }
    return replace(one, parameters={**one.parameters, **biases})


def test_images_are_those_of_scikit_learn_in_the_unit_interval():
    images, labels = load_digits(return_X_y=True)
    found = DigitsLogreg().shared()
    order = torch.tensor(images / 16).float()
    assert sorted(map(tuple, found["images"].tolist())) == sorted(map(tuple, order.tolist()))
    assert found["labels"].bincount().tolist() == torch.tensor(labels).bincount().tolist()


def test_images_keep_their_labels():
    images, labels = load_digits(return_X_y=True)
    label_of = dict(zip(map(bytes, images.astype("uint8")), labels.tolist(), strict=True))
    found = DigitsMlpBn().shared()
    keys = map(bytes, (16 * found["images"]).to(torch.uint8).numpy())
    assert [label_of[key] for key in keys] == found["labels"].tolist()


def test_writing_to_the_data_of_one_case_does_not_reach_the_next():
    DigitsLogreg().shared()["images"].zero_()
    assert DigitsLogreg().shared()["images"].any()


def test_training_and_held_out_images_have_every_digit():
    labels = DigitsMlpBn().shared()["labels"]
    assert labels[:TRAINING_SAMPLES].bincount().min() > 100
    assert labels[TRAINING_SAMPLES:].bincount().min() > 20


def test_regression_without_weights_has_the_loss_of_guessing(zeros, instance):
    value = DigitsLogreg().evaluate(zeros, instance(DigitsLogreg()).constants, STEP)
    assert value.item() == pytest.approx(math.log(10), abs=1e-6)


def test_gradient_vanishes_at_the_solution_of_the_regression(instance):
    task = DigitsLogreg()
    constants = instance(task, dtype=torch.float64).constants
    solution = {name: tensor.double() for name, tensor in task.solution(constants, 0).items()}
    value, gradient = task.gradient(solution, constants, {})
    assert value.item() == pytest.approx(0.26186455, abs=1e-8)
    assert max(tensor.abs().max() for tensor in gradient.values()) < 1e-6


def test_bias_of_the_regression_is_not_penalized(instance):
    task = DigitsLogreg()
    one = instance(task, dtype=torch.float64)
    shifted = {**one.parameters, "bias": one.parameters["bias"] + 5}
    torch.testing.assert_close(task.value(shifted, one.constants), task.value(one.parameters, one.constants))


def test_loss_is_that_of_torchs_batch_normalization(trained_a_little):
    one = trained_a_little
    rows = one.batch()["rows"]
    expected = cross_entropy(
        reference_network(one.parameters)(one.constants["images"][rows]), one.constants["labels"][rows]
    )
    torch.testing.assert_close(one.task.loss(one.parameters, one.constants, one.batch()), expected)


def test_evaluation_normalizes_by_the_whole_training_set(trained_a_little):
    one = trained_a_little
    logits = reference_network(one.parameters)(one.constants["images"][:TRAINING_SAMPLES])
    expected = cross_entropy(logits, one.constants["labels"][:TRAINING_SAMPLES])
    torch.testing.assert_close(one.task.evaluate(one.parameters, one.constants, STEP), expected)


def test_metrics_are_those_of_held_out_images_under_the_statistics_of_training(trained_a_little):
    one = trained_a_little
    network = reference_network(one.parameters)
    images, labels = one.constants["images"], one.constants["labels"]
    for layer in (1, 4):
        network[layer].momentum = 1.0
    network(images[:TRAINING_SAMPLES])
    for layer in (1, 4):
        network[layer].running_var *= (TRAINING_SAMPLES - 1) / TRAINING_SAMPLES
    expected = cross_entropy(network.eval()(images[TRAINING_SAMPLES:]), labels[TRAINING_SAMPLES:])
    metrics = one.task.metrics(one.parameters, one.constants)
    torch.testing.assert_close(metrics["negative_log_likelihood"], expected)


def test_loss_of_the_perceptron_is_that_of_torchs_modules(perceptron):
    one = perceptron
    rows = one.batch()["rows"]
    logits = reference_perceptron(one.parameters)(one.constants["images"][rows])
    expected = cross_entropy(logits, one.constants["labels"][rows])
    torch.testing.assert_close(one.task.loss(one.parameters, one.constants, one.batch()), expected)


@pytest.mark.parametrize(
    ("held_out", "rows"), [(False, slice(TRAINING_SAMPLES)), (True, slice(TRAINING_SAMPLES, None))]
)
def test_the_perceptron_is_evaluated_on_training_and_measured_on_held_out_images(held_out, rows, perceptron):
    one = perceptron
    logits = reference_perceptron(one.parameters)(one.constants["images"][rows])
    expected = cross_entropy(logits, one.constants["labels"][rows])
    metrics = one.task.metrics(one.parameters, one.constants)
    found = metrics["negative_log_likelihood"] if held_out else one.task.evaluate(one.parameters, one.constants, STEP)
    torch.testing.assert_close(found, expected)


def test_metrics_of_the_regression_are_good_at_its_solution(instance):
    task = DigitsLogreg()
    constants = instance(task).constants
    metrics = task.metrics(task.solution(constants, 0), constants)
    assert metrics["accuracy"] > 0.97
    assert metrics["macro_f1"] > 0.97
    assert metrics["calibration_error"] < 0.1


@pytest.mark.parametrize("task", [DigitsMlp32Relu(), DigitsMlpBn()], ids=lambda task: task.name)
def test_held_out_images_are_never_drawn(task, instance):
    rows = torch.cat([instance(task, seed).block["rows"] for seed in range(4)])
    assert rows.shape == (4 * 64, task.batch_size)
    assert rows.unique().tolist() == list(range(TRAINING_SAMPLES))


@pytest.mark.parametrize("layer", ["weight_0", "weight_1"])
def test_normalized_weights_have_no_scale_of_their_own(layer, trained_a_little):
    one = trained_a_little
    scaled = {**one.parameters, layer: 3 * one.parameters[layer]}
    losses = [one.task.loss(parameters, one.constants, one.batch()) for parameters in (one.parameters, scaled)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=0)
