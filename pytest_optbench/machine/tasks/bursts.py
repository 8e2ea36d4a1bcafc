"""Bursts: gradients that are out of scale for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class GradientBurst(Ellipsoid20Rotated):
    """f(x) = ½ Σ λᵢ (R (x - m))ᵢ² of condition 30, its gradient times 10 in the first 25 steps and as it is after.

    Source: after the gradient explosions of Pascanu et al. 2013, arXiv 1211.5063.
    Shapes: x (20,); the start is N(0, 0.1²) in every coordinate; m has (R m)ᵢ = ±1/√λᵢ with random signs, so that
    every direction holds the same part of f(0) = 10, and no seed is done before the burst is.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes how long an average of squares remembers: without the burst AdamW needs some 60 steps to a thousandth of the
    initial value, with it some 120 when beta2 is 0.99, and 210 when it is 0.999, each at its best learning rate. A
    burst of 50 steps would be easier: fast learning rates are done before it ends.
    """

    name: ClassVar[str] = "gradient_burst"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "nonstationary", "rotated"})
    source: ClassVar[str] = "after the gradient explosions of Pascanu et al. 2013 (arXiv 1211.5063)"
    horizon: ClassVar[int] = 800

    condition: float = knob(30.0, least=1, harder="more")
    """Ratio of the largest to the smallest curvature."""
    factor: float = knob(10.0, above=0, harder="more")
    """Of the gradient during the burst."""
    length: int = knob(25, least=0)
    """Steps that the burst lasts; in a long one there is time to descend before it ends."""

    def private(self, streams: Streams) -> Tensors:
        ellipsoid = super().private(streams)
        minimum = torch.linalg.solve(ellipsoid["factor"].double(), ellipsoid["centre"].double())
        return {"factor": ellipsoid["factor"], "centre": minimum.float()}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        times = torch.arange(start, start + steps)
        return {"factor": torch.where(times < self.length, self.factor, 1.0).to(torch.float32)}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return {"x": batch["factor"] * gradient["x"]}, memory
