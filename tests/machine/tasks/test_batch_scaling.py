"""Batch scaling: equal epochs, and what is drawn and evaluated."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.batch_scaling import BatchScaling32, BatchScaling128, BatchScaling512
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES
from pytest_optbench.machine.tasks.perceptron import outputs

TASKS = [BatchScaling32(), BatchScaling128(), BatchScaling512()]
STEP = torch.tensor(0.0)

each = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@each
def test_horizons_are_as_many_epochs(task):
    assert task.horizon * task.batch / TRAINING_SAMPLES == pytest.approx(12, rel=0.03)


@each
def test_held_out_images_are_never_drawn(task, instance):
    rows = instance(task).block["rows"]
    assert rows.shape == (64, task.batch)
    assert 0 <= rows.min() <= rows.max() < TRAINING_SAMPLES


@each
def test_loss_and_evaluation_are_cross_entropies_of_their_images(task, instance):
    one = instance(task, dtype=torch.float64)
    for found, rows in (
        (task.loss(one.parameters, one.constants, one.batch()), one.batch()["rows"]),
        (task.evaluate(one.parameters, one.constants, STEP), torch.arange(EVALUATED)),
    ):
        expected = cross_entropy(
            outputs(one.parameters, one.constants["images"][rows].T).T, one.constants["labels"][rows]
        )
        torch.testing.assert_close(found, expected)
