"""Figures of merit of a classifier, against cases done by hand and against scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score
from torch.func import vmap

from pytest_optbench.machine.tasks.classification import calibration_error, classification_metrics, one_hot


def random_case(seed=0, samples=200, classes=5):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (samples,), generator=generator)


def log_odds(*probabilities):
    return torch.tensor([[math.log(p), math.log(1 - p)] for p in probabilities], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("figure", "reference"),
    [
        ("accuracy", lambda logits, labels: accuracy_score(labels, logits.argmax(1))),
        ("macro_f1", lambda logits, labels: f1_score(labels, logits.argmax(1), average="macro")),
        ("negative_log_likelihood", lambda logits, labels: log_loss(labels, logits.softmax(1))),
        ("recall_0", lambda logits, labels: recall_score(labels, logits.argmax(1), average=None)[0]),
        ("recall_4", lambda logits, labels: recall_score(labels, logits.argmax(1), average=None)[4]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_figures_agree_with_scikit_learn(figure, reference, seed):
    logits, labels = random_case(seed)
    assert classification_metrics(logits, labels)[figure].item() == pytest.approx(reference(logits, labels), rel=1e-12)


def test_a_class_that_never_occurs_counts_as_zero():
    logits, labels = random_case(classes=2)
    empty = torch.cat([logits, torch.full((len(labels), 1), -100.0)], dim=1)
    metrics = classification_metrics(empty, labels)
    assert metrics["recall_2"] == 0
    expected = f1_score(labels, logits.argmax(1), average="macro") * 2 / 3
    assert metrics["macro_f1"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        pytest.param(log_odds(1 - 1e-12), [0], 0.0, id="sure and right"),
        pytest.param(log_odds(1 - 1e-12), [1], 1.0, id="sure and wrong"),
        pytest.param(log_odds(0.7, 0.7), [0, 1], 0.2, id="one bin: 0.7 sure, half right"),
        pytest.param(log_odds(0.7, 0.9), [0, 0], (0.3 + 0.1) / 2, id="two bins: gaps add up"),
        pytest.param(log_odds(0.75, 0.78), [0, 1], 0.265, id="one bin: gaps of opposite signs cancel"),
        pytest.param(torch.cat([100 * log_odds(0.9), log_odds(0.97)]), [1, 0], 0.485, id="the last bin includes 1"),
        pytest.param(log_odds(0.7, 0.9), [0, 1], (0.3 + 0.9) / 2, id="two bins: opposite signs do not cancel"),
    ],
)
def test_calibration_error_by_hand(logits, labels, expected):
    assert calibration_error(logits, torch.tensor(labels)).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_calibration_error_keeps_samples_whose_confidence_rounds_to_one(dtype):
    logits = torch.tensor([[50.0, 0.0, 0.0]] * 3, dtype=dtype)
    assert calibration_error(logits, torch.tensor([1, 1, 1])).item() == pytest.approx(1)


def test_calibration_error_agrees_with_a_loop_over_bins():
    logits, labels = random_case()
    confidence, predicted = logits.softmax(1).max(1)
    expected = 0.0
    for k in range(15):
        members = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if members.any():
            accuracy = (predicted == labels)[members].double().mean()
            expected += (members.double().mean() * (accuracy - confidence[members].mean()).abs()).item()
    assert calibration_error(logits, labels).item() == pytest.approx(expected)


def test_figures_can_be_batched_over_lanes():
    cases = [random_case(seed) for seed in range(3)]
    logits, labels = (torch.stack(parts) for parts in zip(*cases, strict=True))
    together = vmap(classification_metrics)(logits, labels)
    for lane, case in enumerate(cases):
        for figure, value in classification_metrics(*case).items():
            torch.testing.assert_close(together[figure][lane], value)


def test_one_hot_indicates_the_class():
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert torch.equal(one_hot(torch.tensor([2, 0]), 3, torch.float32), expected)
