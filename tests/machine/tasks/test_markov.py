"""The Markov chain and its transformer: the entropy rate, the sequences, and the network against torch's own parts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pytest_optbench.machine.tasks.markov import MarkovLstm, MarkovTransformer

TASK = MarkovTransformer()
STEP = torch.tensor(0.0)


def reference_logits(parameters, tokens):
    """Logits (sequences, length, vocabulary) of the same network, out of torch's fused parts."""
    sequences, length = tokens.shape
    stream = functional.embedding(tokens, parameters["embedding"]) + parameters["position"]
    for layer in range(2):
        joint = functional.linear(functional.layer_norm(stream, (32,)), parameters[f"attention_{layer}"])
        queries, keys, values = (part.view(sequences, length, 4, 8).transpose(1, 2) for part in joint.split(32, dim=-1))
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(sequences, length, 32)
        stream = stream + functional.linear(mixed, parameters[f"projection_{layer}"])
        expanded = functional.linear(functional.layer_norm(stream, (32,)), parameters[f"expansion_{layer}"])
        stream = stream + functional.linear(functional.gelu(expanded), parameters[f"contraction_{layer}"])
    return functional.linear(functional.layer_norm(stream, (32,)), parameters["head"])


@pytest.fixture
def one(instance):
    return instance(TASK, dtype=torch.float64)


def test_entropy_rate_of_the_chain_is_the_optimum(one):
    entropies = torch.special.entr(one.constants["transitions"]).sum(1)
    rate = (one.constants["stationary"] @ entropies).item()
    assert rate == pytest.approx(1.754457, abs=1e-6)
    assert rate == pytest.approx(TASK.optimum, abs=1e-7)


def test_unigram_entropy_of_the_chain(one):
    assert torch.special.entr(one.constants["stationary"]).sum().item() == pytest.approx(2.6330, abs=1e-4)


def test_stationary_distribution_is_left_unchanged_by_a_step(one):
    stationary = one.constants["stationary"]
    torch.testing.assert_close(stationary @ one.constants["transitions"], stationary, rtol=0, atol=1e-7)
    assert stationary.sum().item() == pytest.approx(1)


def test_predicting_the_true_probabilities_attains_the_optimum(one, monkeypatch):
    truth = one.constants["transitions"].log()
    monkeypatch.setattr(MarkovTransformer, "logits", lambda self, parameters, tokens: truth[tokens.flatten()].T)
    assert TASK.evaluate(one.parameters, one.constants, STEP).item() == pytest.approx(TASK.optimum, abs=1e-6)
    assert TASK.metrics(one.parameters, one.constants)["total_variation"] < 1e-6


def test_predicting_the_wrong_probabilities_costs_their_divergence(one, monkeypatch):
    truth = one.constants["transitions"][one.constants["contexts"].flatten()]
    monkeypatch.setattr(MarkovTransformer, "logits", lambda *arguments: torch.zeros_like(truth.T))
    divergence = (truth * (truth * 16).log()).sum(1).mean()
    expected = TASK.optimum + divergence.item()
    assert TASK.evaluate(one.parameters, one.constants, STEP).item() == pytest.approx(expected, abs=1e-6)


def test_loss_is_that_of_the_network_out_of_torchs_parts(one):
    batch = one.batch()
    logits = reference_logits(one.parameters, batch["inputs"])
    expected = functional.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())
    torch.testing.assert_close(TASK.loss(one.parameters, one.constants, batch), expected)


def test_no_prediction_sees_the_tokens_after_it(one):
    tokens = one.batch()["inputs"]
    changed = tokens.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 16
    before, after = (TASK.logits(one.parameters, inputs).T.view(8, 16, 16) for inputs in (tokens, changed))
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.equal(before[:, 10], after[:, 10])


def test_targets_are_the_tokens_that_follow(one):
    assert one.block["inputs"].shape == one.block["targets"].shape == (64, 8, 16)
    assert torch.equal(one.block["inputs"][..., 1:], one.block["targets"][..., :-1])


def test_sequences_follow_the_transition_probabilities(instance):
    blocks = [instance(TASK, seed).block for seed in range(8)]
    pairs = torch.cat([16 * block["inputs"].flatten() + block["targets"].flatten() for block in blocks])
    counts = pairs.bincount(minlength=256).view(16, 16)
    frequencies = counts / counts.sum(1, keepdim=True)
    torch.testing.assert_close(frequencies, instance(TASK).constants["transitions"], rtol=0, atol=0.03)


@pytest.mark.parametrize("position", [0, 15])
def test_every_position_has_the_stationary_distribution(position, instance):
    tokens = torch.cat([instance(TASK, seed).block["inputs"][..., position].flatten() for seed in range(16)])
    frequencies = tokens.bincount(minlength=16) / len(tokens)
    torch.testing.assert_close(frequencies, instance(TASK).constants["stationary"], rtol=0, atol=0.015)


def test_training_starts_near_the_loss_of_guessing(instance):
    one = instance(TASK)
    assert 2.77 < TASK.evaluate(one.parameters, one.constants, STEP) < 4


@pytest.mark.parametrize("knobs", [{"width": 8, "heads": 2}, {"layers": 1}, {"length": 5}, {"batch_size": 3}], ids=str)
def test_knobs_change_the_network_and_not_the_optimum(knobs, instance):
    task = MarkovTransformer(**knobs)
    one = instance(task)
    assert torch.isfinite(task.loss(one.parameters, one.constants, one.batch()))
    entropies = torch.special.entr(one.constants["answers"]).sum(1).mean()
    assert (entropies + one.constants["surplus"]).item() == pytest.approx(TASK.optimum, abs=1e-6)


def test_loss_of_the_lstm_is_that_of_torchs(instance):
    one = instance(MarkovLstm(), dtype=torch.float64)
    p, batch = one.parameters, one.batch()
    network = torch.nn.LSTM(16, 16, batch_first=True, dtype=torch.float64)
    # Torch has the order input, forget, candidate, output.
    order = [*range(16, 32), *range(16), *range(48, 64), *range(32, 48)]
    network.weight_ih_l0.data, network.weight_hh_l0.data = p["input"][order], p["recurrent"][order]
    network.bias_ih_l0.data, network.bias_hh_l0.data = p["bias"][order], torch.zeros(64, dtype=torch.float64)
    hidden = network(functional.one_hot(batch["inputs"], 16).double())[0]
    logits = hidden @ p["head"].T + p["head_bias"]
    expected = functional.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())
    torch.testing.assert_close(MarkovLstm().loss(p, one.constants, batch), expected)


def test_examples_are_tokens_with_what_was_and_what_is_most_likely(one, monkeypatch):
    truth = one.constants["transitions"].log()
    monkeypatch.setattr(MarkovTransformer, "logits", lambda self, parameters, tokens: truth[tokens.flatten()].T)
    examples = TASK.examples(one.parameters, one.constants)
    assert torch.equal(examples["tokens"], one.constants["contexts"][:3])
    assert torch.equal(examples["predicted"], examples["most_likely"])
