"""The digits: the data, and the networks against torch's own modules."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.digits import (
    DigitsDeep20Tanh,
    DigitsMlp20Sigmoid,
    DigitsMlp32Relu,
    DigitsMlpBn,
    DigitsMlpLn,
    dead_share,
)
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES

STEP = torch.tensor(0.0)


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
    found = DigitsMlp32Relu().shared()
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
    DigitsMlp32Relu().shared()["images"].zero_()
    assert DigitsMlp32Relu().shared()["images"].any()


def test_training_and_held_out_images_have_every_digit():
    labels = DigitsMlpBn().shared()["labels"]
    assert labels[:TRAINING_SAMPLES].bincount().min() > 100
    assert labels[TRAINING_SAMPLES:].bincount().min() > 20


def test_loss_is_that_of_torchs_batch_normalization(trained_a_little):
    one = trained_a_little
    rows = one.batch()["rows"]
    expected = cross_entropy(
        reference_network(one.parameters)(one.constants["images"][rows]), one.constants["labels"][rows]
    )
    torch.testing.assert_close(one.task.loss(one.parameters, one.constants, one.batch()), expected)


def test_evaluation_normalizes_by_the_evaluated_images(trained_a_little):
    one = trained_a_little
    logits = reference_network(one.parameters)(one.constants["images"][:EVALUATED])
    expected = cross_entropy(logits, one.constants["labels"][:EVALUATED])
    torch.testing.assert_close(one.task.evaluate(one.parameters, one.constants, STEP), expected)


def test_metrics_are_those_of_held_out_images_under_the_statistics_of_those_evaluated(trained_a_little):
    one = trained_a_little
    network = reference_network(one.parameters)
    images, labels = one.constants["images"], one.constants["labels"]
    for layer in (1, 4):
        network[layer].momentum = 1.0
    network(images[:EVALUATED])
    for layer in (1, 4):
        network[layer].running_var *= (EVALUATED - 1) / EVALUATED
    expected = cross_entropy(network.eval()(images[TRAINING_SAMPLES:]), labels[TRAINING_SAMPLES:])
    metrics = one.task.metrics(one.parameters, one.constants)
    torch.testing.assert_close(metrics["negative_log_likelihood"], expected)


def test_loss_of_the_perceptron_is_that_of_torchs_modules(perceptron):
    one = perceptron
    rows = one.batch()["rows"]
    logits = reference_perceptron(one.parameters)(one.constants["images"][rows])
    expected = cross_entropy(logits, one.constants["labels"][rows])
    torch.testing.assert_close(one.task.loss(one.parameters, one.constants, one.batch()), expected)


@pytest.mark.parametrize(("held_out", "rows"), [(False, slice(EVALUATED)), (True, slice(TRAINING_SAMPLES, None))])
def test_the_perceptron_is_evaluated_on_training_and_measured_on_held_out_images(held_out, rows, perceptron):
    one = perceptron
    logits = reference_perceptron(one.parameters)(one.constants["images"][rows])
    expected = cross_entropy(logits, one.constants["labels"][rows])
    metrics = one.task.metrics(one.parameters, one.constants)
    found = metrics["negative_log_likelihood"] if held_out else one.task.evaluate(one.parameters, one.constants, STEP)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("task", [DigitsMlp32Relu(), DigitsMlpLn(batch_size=80)], ids=lambda task: task.name)
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


def displaced(one):
    """The instance with every parameter moved a little, so that no bias is zero and no gain one."""
    generator = torch.Generator().manual_seed(0)
    moved = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in one.parameters.items()
    }
    return replace(one, parameters=moved)


def reference_sigmoid(parameters):
    return nn.Sequential(nn.Linear(64, 20), nn.Sigmoid(), nn.Linear(20, 10))


def reference_layer_norm(parameters):
    return nn.Sequential(
        *(nn.Linear(64, 32, bias=False), nn.LayerNorm(32), nn.ReLU()),
        *(nn.Linear(32, 32, bias=False), nn.LayerNorm(32), nn.ReLU()),
        nn.Linear(32, 10),
    )


@pytest.mark.parametrize(
    ("task", "reference"),
    [(DigitsMlp20Sigmoid(), reference_sigmoid), (DigitsMlpLn(), reference_layer_norm)],
    ids=lambda one: getattr(one, "name", ""),
)
def test_logits_are_those_of_torchs_modules(task, reference, instance):
    one = displaced(instance(task, dtype=torch.float64))
    network = reference(one.parameters).double()
    for own, given in zip(network.parameters(), one.parameters.values(), strict=True):
        own.data = given
    images = one.constants["images"][:50]
    torch.testing.assert_close(task.logits(one.parameters, images).T, network(images))


def test_the_deep_network_is_twenty_layers(instance):
    one = displaced(instance(DigitsDeep20Tanh(), dtype=torch.float64))
    weights = [one.parameters["first"], *one.parameters["square"]]
    hidden = images = one.constants["images"][:50]
    for weight, bias in zip(weights, one.parameters["bias"], strict=True):
        hidden = torch.tanh(hidden @ weight.T + bias)
    expected = hidden @ one.parameters["last"].T + one.parameters["last_bias"]
    assert len(weights) == 19
    torch.testing.assert_close(one.task.logits(one.parameters, images).T, expected)


def test_square_layers_of_the_deep_network_start_orthogonal(instance):
    square = instance(DigitsDeep20Tanh()).parameters["square"]
    torch.testing.assert_close(square @ square.mT, torch.eye(16).expand(18, 16, 16), rtol=0, atol=1e-5)


def test_a_unit_is_dead_when_it_is_zero_on_every_sample():
    layers = [torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 0.0], [2.0, 1.0]])]
    assert dead_share(layers).item() == 0.5


@pytest.mark.parametrize("task", [DigitsMlp32Relu(), DigitsMlpBn(), DigitsMlpLn()], ids=lambda task: task.name)
def test_units_that_are_never_positive_count_as_dead(task, instance):
    one = instance(task)
    sunk = "bias_0" if "bias_0" in one.parameters else "shift_0"
    parameters = {**one.parameters, sunk: torch.full((32,), -100.0)}
    before, after = (task.diagnostics(given, one.constants)["dead_units"] for given in (one.parameters, parameters))
    assert before < 0.2
    assert after >= (1.0 if sunk == "bias_0" else 0.5)
