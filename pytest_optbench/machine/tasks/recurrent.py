"""Recurrent networks on sequences whose answer depends on symbols far back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import one_hot
from pytest_optbench.machine.tasks.draws import normal, rotation, uniform
from pytest_optbench.machine.tasks.images import cross_entropy
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

SYMBOLS = 4
HELD_OUT = 64
"""Sequences that are evaluated, always the same."""


@dataclass(frozen=True)
class Adding20(Task):
    """f = mean (z - Σ m_t v_t)², z a gated network's answer to 20 values v with marks m, two of which are 1.

    Source: the adding problem of Hochreiter and Schmidhuber 1997 (Neural Computation 9); the network is a
    quasi-recurrent one with ifo-pooling (Bradbury et al. 2016, arXiv 1611.01576) of width 1, without output gates:
    c_t = σ(a_t) c_{t-1} + σ(b_t) tanh(g_t), a, b and g linear in (v_t, m_t).
    Shapes: input (18, 2) and bias (18,) of 6 cells' forget gates, input gates and candidates, in this order; output
    (1, 6), its bias (1,); a batch is 16 sequences (2, 20, 16) of values and marks, one mark in each half. `input`
    starts as N(0, 1), `output` as N(0, 0.1²/6), biases at 0 but for 3 of forget gates (Jozefowicz et al. 2015).
    Optimum: f* = 0, which is approached and never attained: forget gates open with large weights, and the tanh of
    small candidates is linear. Whoever ignores the sequence and says 1 has 1/6.

    Exposes credit over time: the first half of the marks counts only through the gates of the steps after it. Under the
    same budget an LSTM of 8 cells, whose gates also see its state, leaves the plateau at 1/6 in a part of the runs only
    (median of 216 steps to a tenth of the start, and some not in 400), and costs three times as much; a ReLU network
    that starts at the identity takes 360 steps to 0.05.
    """

    name: ClassVar[str] = "adding20"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "recurrent"})
    source: ClassVar[str] = "Hochreiter and Schmidhuber 1997, Bradbury et al. 2016 (arXiv 1611.01576)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (0.3, 3.0)})

    length: int = knob(20, least=2)
    """Values of a sequence."""
    width: int = knob(6, least=1)
    """Cells of the network."""
    batch_size: int = knob(16, least=1)

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "held-out"))
        return {"held_out": self._sequences(generator, HELD_OUT)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "input": normal(streams.init, 3 * self.width, 2),
            "bias": torch.cat([torch.full((self.width,), 3.0), torch.zeros(2 * self.width)]),
            "output": 0.1 * normal(streams.init, 1, self.width) * self.width**-0.5,
            "output_bias": torch.zeros(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        flat = self._sequences(streams.data, steps * self.batch_size)
        return {"sequences": flat.view(2, self.length, steps, self.batch_size).permute(2, 0, 1, 3).contiguous()}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self._error(parameters, batch["sequences"])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self._error(parameters, constants["held_out"])

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """The sums of eight sequences, and what the network takes them for."""
        sequences = constants["held_out"][..., :8]
        return {"sums": sequences.prod(0).sum(0), "predicted": self._sums(parameters, sequences)}

    def _error(self, parameters: Tensors, sequences: Tensor) -> Tensor:
        return (self._sums(parameters, sequences) - sequences.prod(0).sum(0)).square().mean()

    def _sums(self, parameters: Tensors, sequences: Tensor) -> Tensor:
        """The network's answers (n,) to `sequences` (2, length, n)."""
        flat = parameters["input"] @ sequences.flatten(1) + parameters["bias"][:, None]
        forget, enter, candidate = flat.view(3, self.width, self.length, -1).unbind()
        # The recurrence, solved: what enters at t is multiplied by all forget gates after t.
        kept = logsigmoid(forget).flip(1).cumsum(1).flip(1)
        after = torch.cat([kept[:, 1:], torch.zeros_like(kept[:, :1])], dim=1).exp()
        cells = (after * enter.sigmoid() * candidate.tanh()).sum(1)
        return (parameters["output"] @ cells)[0] + parameters["output_bias"]

    def _sequences(self, generator: Generator, count: int) -> Tensor:
        """Values and marks (2, length, count), one mark in each half."""
        values = uniform(generator, self.length, count)
        half = self.length // 2
        first = torch.randint(half, (1, count), generator=generator)
        second = torch.randint(half, self.length, (1, count), generator=generator)
        return torch.stack([values, torch.zeros(self.length, count).scatter(0, torch.cat([first, second]), 1.0)])


@dataclass(frozen=True)
class Copy20(Task):
    """f = mean cross-entropy of 2 symbols out of 4, recalled by a tanh network after 16 blanks: 20 steps in all.

    Source: the copying problem of Hochreiter and Schmidhuber 1997 (Neural Computation 9) as in Arjovsky et al. 2016
    (arXiv 1511.06464), whose 10 symbols of 8 after 20 blanks have a trivial loss of 10 ln 8 / 40 = 0.519860 when the
    blanks count too. Here only recalled symbols count, so that the trivial loss is ln 4 = 1.386294.
    Shapes: input (24, 4), recurrent (24, 24), bias (24,), output (4, 24), its bias (4,); a batch is 16 times 2 symbols
    (2, 16). `recurrent` starts orthogonal (Saxe et al. 2014, arXiv 1312.6120), `input` as N(0, 0.5²), `output` as
    N(0, 1/24), biases at 0. A blank has no column of its own: it enters as zero.
    Optimum: f* = 0, which is approached and never attained, as logits grow.

    The evaluation is exact: all 16 pairs of symbols. With 16 units, 3 of 64 seeds take AdamW more than three times the
    median of its steps to a tenth of the start, and one of them never gets there; with 24, all 64 do.
    Exposes credit over time: the gradient of a symbol goes through 18 products with one matrix, which an optimizer has
    to keep close to orthogonal.
    """

    name: ClassVar[str] = "copy20"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "sequence", "recurrent"})
    source: ClassVar[str] = "Hochreiter and Schmidhuber 1997, Arjovsky et al. 2016 (arXiv 1511.06464)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (1.3, 1.7)})

    blanks: int = knob(16, least=0)
    """Steps between the last symbol and its first recall."""
    copied: int = knob(2, least=2, most=4)
    """Symbols to recall."""
    width: int = knob(24, least=1)
    """Units of the network."""
    batch_size: int = knob(16, least=1)

    def shared(self) -> Tensors:
        return {"all": torch.cartesian_prod(*self.copied * [torch.arange(SYMBOLS)]).T.contiguous()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "input": 0.5 * normal(streams.init, self.width, SYMBOLS),
            "recurrent": rotation(streams.init, self.width),
            "bias": torch.zeros(self.width),
            "output": normal(streams.init, SYMBOLS, self.width) * self.width**-0.5,
            "output_bias": torch.zeros(SYMBOLS),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"symbols": torch.randint(SYMBOLS, (steps, self.copied, self.batch_size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return cross_entropy(self._logits(parameters, batch["symbols"]), batch["symbols"].flatten())

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return cross_entropy(self._logits(parameters, constants["all"]), constants["all"].flatten())

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        recalled = self._logits(parameters, constants["all"]).argmax(0)
        return {"recall": (recalled == constants["all"].flatten()).to(parameters["output"].dtype).mean()}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """The symbols of eight sequences, one a row, and what the network recalls."""
        symbols = constants["all"][:, :8]
        return {"symbols": symbols.T, "recalled": self._logits(parameters, symbols).argmax(0).view(symbols.shape).T}

    def _logits(self, parameters: Tensors, symbols: Tensor) -> Tensor:
        """Logits (4, copied * n) of the recalled symbols, in the order of `symbols` (copied, n)."""
        bias = parameters["bias"][:, None]
        indicators = one_hot(symbols.flatten(), SYMBOLS, bias.dtype)
        first, *seen = (parameters["input"] @ indicators.T + bias).view(self.width, self.copied, -1).unbind(1)
        hidden = [first.tanh()]
        for entering in (*seen, *(self.blanks + self.copied) * [bias]):
            hidden.append((parameters["recurrent"] @ hidden[-1] + entering).tanh())
        recalling = torch.stack(hidden[-self.copied :], dim=1).flatten(1)
        return parameters["output"] @ recalling + parameters["output_bias"][:, None]


def lstm(recurrent: Tensor, entering: Sequence[Tensor]) -> list[Tensor]:
    """Hidden states (cells, n) of an LSTM, from a state of zeros, for one or more inputs (4 * cells, n).

    `entering` has the forget, input and output gates and the candidates of a step, bias included; `recurrent`
    (4 * cells, cells) is what the state adds to them.
    """
    width = recurrent.shape[1]
    hidden: list[Tensor] = []
    cells = None
    for given in entering:
        sums = given + recurrent @ hidden[-1] if hidden else given
        forget, enter, leave = sums[: 3 * width].sigmoid().view(3, width, -1).unbind()
        candidate = enter * sums[3 * width :].tanh()
        cells = candidate if cells is None else forget * cells + candidate
        hidden.append(leave * cells.tanh())
    return hidden
