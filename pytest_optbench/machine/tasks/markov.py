"""Sequences from a Markov chain whose entropy rate, and so the best possible loss, is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import gelu, layer_norm, linear

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import one_hot
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.images import cross_entropy
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.recurrent import lstm
from pytest_optbench.machine.tasks.task import Task, Tensors, Tier

VOCABULARY = 16
CONCENTRATION = 0.3
HELD_OUT = 8


@dataclass(frozen=True)
class _MarkovTask(Task):
    """Base class: mean cross-entropy of the next token of the chain, as a network predicts it from those before.

    The evaluation is f* plus the mean Kullback-Leibler divergence from the true next-token distribution on frozen
    held-out sequences: the expected loss, without the noise of the tokens. The unigram loss is 2.6330 nats.
    """

    tier: ClassVar[Tier] = "small"
    optimum: ClassVar[float | None] = 1.7544566

    length: int = knob(16, least=1)
    """Tokens that the network sees of a sequence."""
    batch_size: int = knob(8, least=1, harder="less")

    def logits(self, parameters: Tensors, tokens: Tensor) -> Tensor:
        """Logits (vocabulary, sequences * length) of the token after each of `tokens` (sequences, length)."""
        raise NotImplementedError

    def shared(self) -> Tensors:
        transitions, stationary = (torch.tensor(table, dtype=torch.float64) for table in _chain())
        entropies = torch.special.entr(transitions).sum(1)
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "held-out"))
        contexts = _sequences(generator, HELD_OUT, self.length, transitions, stationary)
        constants = {
            "transitions": transitions,
            "stationary": stationary,
            "answers": transitions[contexts.flatten()],
            # What turns the cross-entropy on these contexts into the entropy rate plus a divergence.
            "surplus": stationary @ entropies - entropies[contexts].mean(),
        }
        return {"contexts": contexts, **{name: tensor.to(torch.float32) for name, tensor in constants.items()}}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        tokens = _sequences(
            streams.data, steps * self.batch_size, self.length + 1, constants["transitions"], constants["stationary"]
        ).view(steps, self.batch_size, -1)
        return {"inputs": tokens[..., :-1].contiguous(), "targets": tokens[..., 1:].contiguous()}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return cross_entropy(self.logits(parameters, batch["inputs"]), batch["targets"].flatten())

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        logits = self.logits(parameters, constants["contexts"])
        return constants["surplus"] - (constants["answers"].T * logits.log_softmax(0)).sum(0).mean()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        predictions = self.logits(parameters, constants["contexts"]).softmax(0)
        return {"total_variation": 0.5 * (predictions - constants["answers"].T).abs().sum(0).mean()}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """For three sequences: what the network saw, the token that it then held most likely, and the one that is."""
        seen = constants["contexts"][:3]
        return {
            "tokens": seen,
            "predicted": self.logits(parameters, seen).argmax(0).view(seen.shape),
            "most_likely": constants["answers"].argmax(1).view(-1, self.length)[:3],
        }


@dataclass(frozen=True)
class MarkovTransformer(_MarkovTask):
    """f = mean cross-entropy of the next token of a Markov chain, predicted by a causal transformer.

    Source: synthetic language modelling after learned_optimization (Metz et al. 2022, arXiv 2203.11860); the network is
    pre-LN (Xiong et al. 2020, arXiv 2002.04745) without biases and gains, as in OLMo (Groeneveld et al. 2024, arXiv
    2402.00838), so that every parameter is a matrix.
    Shapes: a batch is 8 sequences of 16 tokens out of 16; width 32, 2 layers of 4 heads, feed-forward 64; all weights
    start as N(0, 1/fan-in).
    Optimum: f* = 1.754457 nats, the entropy rate of the chain: no predictor of the next token beats the true
    transition probabilities, drawn once as rows of Dirichlet(0.3) with `RandomState(0)`.

    Exposes what pre-training asks of an optimizer, at small size: matrices with different roles and scales.
    """

    name: ClassVar[str] = "markov_transformer"
    version: ClassVar[int] = 3
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "transformer", "matrix"})
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (2.7, 4.0)})
    source: ClassVar[str] = "after learned_optimization (Metz et al. 2022, arXiv 2203.11860) and nanoGPT (2022)"
    horizon: ClassVar[int] = 200

    width: int = knob(32, least=1)
    """Dimension of the residual stream, a multiple of `heads`."""
    layers: int = knob(2, least=1)
    heads: int = knob(4, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(
                f"{self.name}: the knob 'width' must be a multiple of 'heads' ({self.heads}), but it is {self.width}."
            )

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        shapes = {"embedding": (VOCABULARY, self.width), "position": (self.length, self.width)}
        for layer in range(self.layers):
            shapes[f"attention_{layer}"] = (3 * self.width, self.width)
            shapes[f"projection_{layer}"] = (self.width, self.width)
            shapes[f"expansion_{layer}"] = (2 * self.width, self.width)
            shapes[f"contraction_{layer}"] = (self.width, 2 * self.width)
        shapes["head"] = (VOCABULARY, self.width)
        return {name: normal(streams.init, *shape) * shape[1] ** -0.5 for name, shape in shapes.items()}

    def logits(self, parameters: Tensors, tokens: Tensor) -> Tensor:
        # Tokens stay in one dimension: a batched matrix product per seed, not one per sequence.
        symbols = one_hot(tokens.flatten(), VOCABULARY, parameters["embedding"].dtype)
        stream = symbols @ parameters["embedding"] + parameters["position"].repeat(len(tokens), 1)
        for layer in range(self.layers):
            stream = stream + self._attention(parameters, layer, stream)
            expanded = gelu(linear(_normalize(stream), parameters[f"expansion_{layer}"]))
            stream = stream + linear(expanded, parameters[f"contraction_{layer}"])
        return parameters["head"] @ _normalize(stream).T

    def _attention(self, parameters: Tensors, layer: int, stream: Tensor) -> Tensor:
        # Spelled out: the fused kernel cannot be differentiated twice.
        joint = linear(_normalize(stream), parameters[f"attention_{layer}"])
        shape = (-1, self.length, 3, self.heads, self.width // self.heads)
        queries, keys, values = joint.view(shape).permute(2, 0, 3, 1, 4).unbind()
        causal = torch.full((self.length, self.length), -torch.inf, dtype=stream.dtype, device=stream.device).triu(1)
        scores = queries @ keys.transpose(-1, -2) * (self.width // self.heads) ** -0.5 + causal
        mixed = (scores.softmax(-1) @ values).transpose(1, 2).reshape(-1, self.width)
        return linear(mixed, parameters[f"projection_{layer}"])


@dataclass(frozen=True)
class MarkovLstm(_MarkovTask):
    """f = mean cross-entropy of the next token of a Markov chain, predicted by an LSTM.

    Source: synthetic language modelling after the recurrent tasks of learned_optimization (Metz et al. 2022, arXiv
    2203.11860); LSTM of Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, whose bias starts at
    1 (Jozefowicz et al. 2015).
    Shapes: a batch is 12 sequences of 8 tokens out of 16; 16 cells: input (64, 16), recurrent (64, 16) and bias (64,)
    of the forget, input and output gates and the candidates, in this order; head (16, 16), its bias (16,). Matrices
    start as N(0, 1/fan-in), but the columns of `input`, one for each token, as N(0, 1).
    Optimum: f* = 1.754457 nats, the entropy rate of the chain: no predictor of the next token beats the true
    transition probabilities, drawn once as rows of Dirichlet(0.3) with `RandomState(0)`.

    Exposes gradients through gates and time, where the present token alone matters: what was before is noise.
    """

    name: ClassVar[str] = "markov_lstm"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "recurrent"})
    source: ClassVar[str] = "after learned_optimization (Metz et al. 2022, arXiv 2203.11860)"
    horizon: ClassVar[int] = 300
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (2.7, 3.5)})

    length: int = knob(8, least=1)
    """Tokens that the network sees of a sequence."""
    batch_size: int = knob(12, least=1)
    width: int = knob(16, least=1)
    """Cells of the LSTM."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        width = self.width
        return {
            "input": normal(streams.init, 4 * width, VOCABULARY),
            "recurrent": normal(streams.init, 4 * width, width) * width**-0.5,
            "bias": torch.cat([torch.ones(width), torch.zeros(3 * width)]),
            "head": normal(streams.init, VOCABULARY, width) * width**-0.5,
            "head_bias": torch.zeros(VOCABULARY),
        }

    def logits(self, parameters: Tensors, tokens: Tensor) -> Tensor:
        symbols = one_hot(tokens.T.flatten(), VOCABULARY, parameters["input"].dtype)
        entering = parameters["input"] @ symbols.T + parameters["bias"][:, None]
        hidden = lstm(parameters["recurrent"], entering.view(4 * self.width, self.length, -1).unbind(1))
        return parameters["head"] @ torch.stack(hidden, dim=2).flatten(1) + parameters["head_bias"][:, None]


def _normalize(stream: Tensor) -> Tensor:
    return layer_norm(stream, stream.shape[-1:])


@cache
def _chain() -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Transition probabilities by row, and the distribution that they leave unchanged."""
    transitions = np.random.RandomState(0).dirichlet([CONCENTRATION] * VOCABULARY, size=VOCABULARY)
    equations = np.vstack([transitions.T - np.eye(VOCABULARY), np.ones(VOCABULARY)])
    stationary = np.linalg.lstsq(equations, np.append(np.zeros(VOCABULARY), 1.0), rcond=None)[0]
    return tuple(map(tuple, transitions.tolist())), tuple(stationary.tolist())


def _sequences(generator: Generator, count: int, length: int, transitions: Tensor, stationary: Tensor) -> Tensor:
    """Stationary sequences (count, length) of the chain, by inversion of the cumulative probabilities."""
    thresholds = uniform(generator, length, count, 1)
    cumulative = transitions.cumsum(1)[:, :-1]
    tokens = [(thresholds[0] > stationary.cumsum(0)[:-1]).sum(1)]
    for threshold in thresholds[1:]:
        tokens.append((threshold > cumulative[tokens[-1]]).sum(1))
    return torch.stack(tokens, dim=1)
