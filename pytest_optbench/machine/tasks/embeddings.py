"""Embeddings: tables of which a step touches few rows, the frequent ones often and the rare ones hardly ever."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

WORDS = 256
CLASSES = 16
RANK = 8
"""Of the table of true logits, and the dimension of an embedding."""


@dataclass(frozen=True)
class ZipfEmbedding(Task):
    """f(E, W) = Σ_c p_c CE(q_c, softmax(W e_c)): words c with Zipf's frequencies p, each with its own distribution q_c.

    Source: `SparseSoftmaxRegression` in the code of Wichrowska et al. 2017 (arXiv 1703.04813); frequencies after Zipf
    1935, whose consequences for optimizers are studied by Kunstner et al. 2024 (arXiv 2402.19449).
    Shapes: embeddings E (256, 8), W (16, 8), start N(0, 0.5²) and N(0, 1/8); p_c is proportional to 1/(c + 1); a batch
    is 64 words, drawn from p. The true distributions q (256, 16) are softmax(2 A Bᵀ / √8) with Gaussian A and B, drawn
    once with `RandomState(0)`.
    Optimum: f* = 1.6112330 nats, the entropy Σ p_c H(q_c) of the generator, since q has the rank of the factors.

    The evaluation is the exact expectation. A step learns from the whole distribution of its words, as from a teacher:
    at the optimum no noise is left. Exposes rows with an exact zero as gradient at most steps, moments that decay
    meanwhile, and steps that are to be long for rare words.
    """

    name: ClassVar[str] = "zipf_embedding"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sparse", "matrix"})
    source: ClassVar[str] = "Wichrowska et al. 2017 (arXiv 1703.04813), Kunstner et al. 2024 (arXiv 2402.19449)"
    optimum: ClassVar[float | None] = 1.6112330
    horizon: ClassVar[int] = 450

    batch_size: int = knob(64, least=1)
    """Words that a step sees."""

    def shared(self) -> Tensors:
        return {name: tensor.to(torch.float32) for name, tensor in _generator().items()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "embedding": 0.5 * normal(streams.init, WORDS, RANK),
            "output": normal(streams.init, CLASSES, RANK) * RANK**-0.5,
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        thresholds = constants["frequencies"].cumsum(0)[:-1]
        return {"words": torch.bucketize(uniform(streams.data, steps, self.batch_size), thresholds)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self._by_word(parameters, constants)[batch["words"]].mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return constants["frequencies"] @ self._by_word(parameters, constants)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        rare = self._by_word(parameters, constants)[WORDS // 2 :] - constants["entropies"][WORDS // 2 :]
        return {"divergence_of_rare_words": rare.mean()}

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {name: _generator()[name].to(torch.float32) for name in ("embedding", "output")}

    def _by_word(self, parameters: Tensors, constants: Tensors) -> Tensor:
        """The cross-entropy of every word (256,). All of them, since the table is small: rows that no word of the batch
        selects get an exact zero."""
        logits = parameters["output"] @ parameters["embedding"].T
        return -(constants["distributions"] * logits.log_softmax(0)).sum(0)


@cache
def _generator() -> Tensors:
    """Frequencies (256,), distributions (16, 256) and entropies (256,) of the words, and the factors of the logits."""
    random = np.random.RandomState(0)
    scale = (2 / RANK**0.5) ** 0.5
    embedding, output = (torch.tensor(scale * random.standard_normal((rows, RANK))) for rows in (WORDS, CLASSES))
    frequencies = 1 / torch.arange(1, WORDS + 1, dtype=torch.float64)
    distributions = (output @ embedding.T).softmax(0)
    return {
        "frequencies": frequencies / frequencies.sum(),
        "distributions": distributions,
        "entropies": torch.special.entr(distributions).sum(0),
        "embedding": embedding,
        "output": output,
    }
