"""Graphs: the random graph, and the network on it."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.graphs import GcnSbm

TASK = GcnSbm()
STEP = torch.tensor(0.0)
LABELLED = [*range(10), *range(50, 60)]
OTHERS = [*range(10, 50), *range(60, 100)]


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def logits(one):
    A = one.constants["propagation"]
    hidden = (one.constants["features"] @ one.parameters["weight_0"] + one.parameters["bias_0"]).clamp(min=0)
    return A @ hidden @ one.parameters["weight_1"] + one.parameters["bias_1"]


def smoothed(logits, labels):
    chances = torch.full_like(logits, 0.1)
    chances[torch.arange(len(labels)), labels] = 0.9
    return cross_entropy(logits, chances)


def test_nodes_are_linked_as_often_as_stated(instance):
    links = torch.stack([instance(TASK, seed).constants["propagation"] > 0 for seed in range(8)]).float()
    inside, between = links[:, :50, :50], links[:, :50, 50:]
    assert ((inside.sum() / 8 - 50) / (50 * 49)).item() == pytest.approx(0.6, abs=0.02)
    assert between.mean().item() == pytest.approx(0.02, abs=0.01)


def test_propagation_is_symmetric_and_keeps_the_roots_of_degrees(one):
    A = one.constants["propagation"]
    degrees = (A > 0).sum(1).double()
    torch.testing.assert_close(A, A.T)
    torch.testing.assert_close(A @ degrees.sqrt(), degrees.sqrt(), rtol=1e-5, atol=0)


def test_loss_is_that_of_labelled_nodes_and_evaluation_that_of_the_others(one):
    labels = one.constants["labels"]
    for found, nodes in (
        (TASK.loss(one.parameters, one.constants, {}), LABELLED),
        (TASK.evaluate(one.parameters, one.constants, STEP), OTHERS),
    ):
        torch.testing.assert_close(found, smoothed(logits(one)[nodes], labels[nodes]))


def test_metrics_are_of_the_nodes_without_label(one):
    hits = (logits(one).argmax(1) == one.constants["labels"])[OTHERS]
    assert TASK.metrics(one.parameters, one.constants)["accuracy"] == hits.double().mean()
