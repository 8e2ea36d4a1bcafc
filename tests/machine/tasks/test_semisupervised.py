"""Semi-supervised digits: which images are labelled, and both parts of the loss."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES
from pytest_optbench.machine.tasks.perceptron import outputs
from pytest_optbench.machine.tasks.semisupervised import SemisupDigits

TASK = SemisupDigits()


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def test_five_images_of_each_digit_are_labelled(one):
    labels = one.constants["labels"][one.constants["labelled"]]
    assert labels.bincount().tolist() == [5] * 10
    assert len(one.constants["labelled"].unique()) == 50


def test_labelled_unlabelled_and_evaluated_images_are_a_partition_of_the_training_images(one):
    parts = [torch.arange(EVALUATED), one.constants["labelled"], one.constants["unlabelled"]]
    assert torch.cat(parts).sort().values.tolist() == list(range(TRAINING_SAMPLES))
    assert torch.isin(one.block["rows"], one.constants["unlabelled"]).all()


def test_loss_is_cross_entropy_plus_the_change_of_predictions_under_noise(one):
    batch, images = one.batch(), one.constants["images"]
    labelled, clean = one.constants["labelled"], images[batch["rows"]]
    supervised = cross_entropy(outputs(one.parameters, images[labelled].T).T, one.constants["labels"][labelled])
    predictions = [outputs(one.parameters, some.T).T.softmax(1) for some in (clean, clean + batch["noise"])]
    change = (predictions[0] - predictions[1]).square().sum(1).mean()
    torch.testing.assert_close(TASK.loss(one.parameters, one.constants, batch), supervised + 5 * change)


def test_noise_has_the_size_that_is_stated(one):
    assert one.block["noise"].std().item() == pytest.approx(0.2, abs=2e-3)
