"""The table of words: its frequencies, its entropy, and which rows a step touches."""

from __future__ import annotations

import pytest
import torch

from pytest_optbench.machine.tasks.embeddings import ZipfEmbedding

TASK = ZipfEmbedding()
STEP = torch.tensor(0.0)


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def test_optimum_is_the_mean_entropy_of_the_generator(one):
    entropies = torch.special.entr(one.constants["distributions"]).sum(0)
    assert (one.constants["frequencies"] @ entropies).item() == pytest.approx(TASK.optimum, abs=1e-6)


def test_words_come_with_the_frequencies_of_zipf(instance):
    words = torch.cat([instance(TASK, seed).block["words"].flatten() for seed in range(32)])
    harmonic = sum(1 / rank for rank in range(1, 257))
    counts = words.bincount(minlength=256) / len(words)
    expected = 1 / torch.arange(1, 257) / harmonic
    assert len(counts) == 256
    torch.testing.assert_close(counts, expected, rtol=0, atol=0.004)


def test_loss_is_the_cross_entropy_of_the_words_of_the_batch(one):
    rows = one.batch()["words"]
    logits = one.parameters["embedding"][rows] @ one.parameters["output"].T
    expected = torch.nn.functional.cross_entropy(logits, one.constants["distributions"].T[rows])
    torch.testing.assert_close(TASK.loss(one.parameters, one.constants, one.batch()), expected)


def test_words_that_a_step_does_not_see_get_an_exact_zero(instance):
    one = instance(TASK)
    _, gradient = TASK.gradient(one.parameters, one.constants, one.batch())
    touched = gradient["embedding"].abs().amax(1) > 0
    assert touched.nonzero().flatten().tolist() == one.batch()["words"].unique().tolist()
    assert touched.float().mean() < 0.25


def test_no_word_is_left_over_at_the_solution(instance):
    constants = instance(TASK).constants
    metrics = TASK.metrics(TASK.solution(constants, 0), constants)
    assert metrics["divergence_of_rare_words"].item() == pytest.approx(0, abs=1e-6)
