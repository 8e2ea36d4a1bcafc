"""Plasticity: which labels are in force when, and the handicap."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.perceptron import outputs
from pytest_optbench.machine.tasks.plasticity import HANDICAPPED, LABELLINGS, SEEN, Plasticity

TASK = Plasticity()


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def expected_loss(one, labelling):
    targets = one.constants["labellings"][labelling][one.constants["labels"][:SEEN]]
    return cross_entropy(outputs(one.parameters, one.constants["images"][:SEEN].T).T, targets)


def test_labellings_are_permutations_and_all_different(one):
    labellings = one.constants["labellings"]
    assert torch.equal(labellings.sort(1).values, torch.arange(10).expand(LABELLINGS, 10))
    assert len(labellings.unique(dim=0)) == LABELLINGS


@pytest.mark.parametrize(("step", "labelling"), [(0, 0), (99, 0), (100, 1), (999, 9), (3200, 0)])
def test_a_batch_is_labelled_by_its_hundred_of_steps(step, labelling, one):
    block = TASK.batches(Streams(TASK.name, TASK.version, 0, step), step, 1, one.constants)
    labels = one.constants["labels"][block["rows"][0]]
    assert torch.equal(block["targets"][0], one.constants["labellings"][labelling][labels])


@pytest.mark.parametrize(("step", "labelling"), [(501, 5), (600, 5), (601, 6), (3200, 31), (3201, 0)])
def test_evaluation_is_by_the_labels_of_the_last_step(step, labelling, one):
    found = TASK.evaluate(one.parameters, one.constants, torch.tensor(float(step)))
    torch.testing.assert_close(found, expected_loss(one, labelling))


@pytest.mark.parametrize("step", [1, 50, 100])
def test_handicap_falls_from_the_loss_of_guessing(step, one):
    found = TASK.evaluate(one.parameters, one.constants, torch.tensor(float(step)))
    handicap = math.log(10) * (1 - step / HANDICAPPED)
    assert (found - expected_loss(one, 0)).item() == pytest.approx(handicap, abs=1e-6)
