"""Figures of merit of a classifier, each a pure function of its logits and the labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.tasks.task import Tensors

BINS = 15


def classification_metrics(logits: Tensor, labels: Tensor) -> Tensors:
    """Accuracy, macro-F1, negative log-likelihood, calibration error, and the recall of every class; each 0-dim.

    `logits` is (samples, classes), `labels` is (samples,) and integer.
    """
    actual = one_hot(labels, logits.shape[1], logits.dtype)
    predicted = one_hot(logits.argmax(1), logits.shape[1], logits.dtype)
    hits = (actual * predicted).sum(0)
    recalls = hits / actual.sum(0).clamp(min=1)
    return {
        "accuracy": hits.sum() / len(labels),
        "macro_f1": (2 * hits / (actual + predicted).sum(0).clamp(min=1)).mean(),
        "negative_log_likelihood": cross_entropy(logits, labels),
        "calibration_error": calibration_error(logits, labels),
        **{f"recall_{label}": recall for label, recall in enumerate(recalls.unbind())},
    }


def calibration_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Expected calibration error over 15 equal bins of confidence (Guo et al. 2017, arXiv 1706.04599)."""
    confidence, predicted = logits.softmax(1).max(1)
    bins = one_hot((confidence * BINS).ceil().long() - 1, BINS, logits.dtype)
    gap = (predicted == labels).to(logits.dtype) - confidence
    return (gap @ bins).abs().sum() / len(labels)


def one_hot(classes: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Indicators (samples, count) of `classes` (samples,); torch's own asks for values, which `vmap` cannot trace."""
    return (classes[:, None] == torch.arange(count, device=classes.device)).to(dtype)
