"""Larger networks on the Markov chain: a transformer of four layers, and an LSTM with a longer memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.larger.budget import SEEDS, TAG, steps
from pytest_optbench.machine.tasks.markov import MarkovLstm, MarkovTransformer
from pytest_optbench.machine.tasks.task import Tier
from pytest_optbench.words.threshold import Threshold


@dataclass(frozen=True)
class LargerTransformer(MarkovTransformer):
    """f = mean cross-entropy of the next token of a Markov chain, predicted by a causal transformer of four layers.

    Source and shapes: as `markov_transformer`, but width 48, 4 layers, and 8 sequences of 32 tokens.
    Optimum: f* = 1.754457 nats, the entropy rate of the chain.
    """

    name: ClassVar[str] = "larger_transformer"
    version: ClassVar[int] = 1
    tier: ClassVar[Tier] = "full"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "transformer", "matrix", TAG})
    horizon: ClassVar[int] = 200
    seeds: ClassVar[int] = SEEDS
    gates: ClassVar[bool] = False
    threshold: ClassVar[Threshold | None] = steps(200)

    length: int = knob(32, least=1)
    width: int = knob(48, least=1)
    layers: int = knob(4, least=1)


@dataclass(frozen=True)
class LargerLstm(MarkovLstm):
    """f = mean cross-entropy of the next token of a Markov chain, predicted by an LSTM of 64 cells over 24 tokens.

    Source and shapes: as `markov_lstm`, but 64 cells and 16 sequences of 24 tokens.
    Optimum: f* = 1.754457 nats, the entropy rate of the chain.
    """

    name: ClassVar[str] = "larger_lstm"
    version: ClassVar[int] = 1
    tier: ClassVar[Tier] = "full"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "recurrent", TAG})
    horizon: ClassVar[int] = 200
    seeds: ClassVar[int] = SEEDS
    gates: ClassVar[bool] = False
    threshold: ClassVar[Threshold | None] = steps(200)

    length: int = knob(24, least=1)
    batch_size: int = knob(16, least=1)
    width: int = knob(64, least=1)
