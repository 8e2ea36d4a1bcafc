"""The linear autoencoder: the root of the covariance against the images themselves."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from pytest_optbench.machine.tasks.autoencoders import LinearAe, TiedAe
from pytest_optbench.machine.tasks.images import digits

TASK = LinearAe()
STEP = torch.tensor(0.0)


@pytest.fixture(scope="module")
def images():
    images = torch.tensor(load_digits().data / 16)
    return images - images.mean(0)


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_the_mean_squared_error_of_reconstruction(seed, images, instance):
    one = instance(TASK, seed, dtype=torch.float64)
    reconstruction = images @ one.parameters["encoder"].T @ one.parameters["decoder"].T
    expected = (images - reconstruction).square().sum(1).mean()
    torch.testing.assert_close(TASK.evaluate(one.parameters, one.constants, STEP), expected, rtol=1e-5, atol=0)


def test_optimum_is_what_eight_principal_components_leave(images):
    left = PCA().fit(images).explained_variance_[8:].sum() * (len(images) - 1) / len(images)
    assert pytest.approx(left, abs=1e-8) == TASK.optimum


def test_the_origin_is_a_saddle(instance):
    one = instance(TASK, dtype=torch.float64)
    origin = {name: torch.zeros_like(tensor) for name, tensor in one.parameters.items()}
    value, gradient = TASK.gradient(origin, one.constants, {})
    assert not any(tensor.any() for tensor in gradient.values())
    assert value.item() == pytest.approx(4.693276, abs=1e-5)


def test_layers_that_differ_by_an_invertible_matrix_are_as_good(instance):
    one = instance(TASK, dtype=torch.float64)
    G = torch.eye(8, dtype=torch.float64) + torch.ones(8, 8, dtype=torch.float64).triu()
    encoder, decoder = G @ one.parameters["encoder"], one.parameters["decoder"] @ torch.linalg.inv(G)
    equal = TASK.value({"encoder": encoder, "decoder": decoder}, one.constants)
    torch.testing.assert_close(equal, TASK.value(one.parameters, one.constants))


@pytest.mark.parametrize("seed", range(3))
def test_the_tied_decoder_is_the_encoder_turned(seed, images, instance):
    one = instance(TiedAe(), seed, dtype=torch.float64)
    weight = one.parameters["weight"]
    expected = (images - images @ weight.T @ weight).square().sum(1).mean()
    torch.testing.assert_close(TiedAe().evaluate(one.parameters, one.constants, STEP), expected, rtol=1e-5, atol=0)


def test_tied_weights_turned_among_themselves_are_as_good(instance):
    one = instance(TiedAe(), dtype=torch.float64)
    Q = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    turned = {"weight": Q @ one.parameters["weight"]}
    torch.testing.assert_close(TiedAe().value(turned, one.constants), TiedAe().value(one.parameters, one.constants))


@pytest.mark.parametrize("task", [LinearAe(), TiedAe()], ids=lambda task: task.name)
def test_examples_are_images_beside_their_reconstructions(task, instance):
    constants = instance(task).constants
    examples = task.examples(task.solution(constants, 0), constants)
    first = torch.tensor(digits()[0][:2]).view(2, 8, 8)
    torch.testing.assert_close(examples["images"], first)
    error = (examples["reconstructions"] - first).square().sum((1, 2))
    assert (error < 4).all()
    assert (error > 0.1).all()
