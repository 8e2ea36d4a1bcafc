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
    """f(x) = ½ Σ λᵢ (R (x - m))ᵢ² of condition 100, its gradient times 10 in the first 50 steps and as it is after.

    Source: after the gradient explosions of Pascanu et al. 2013, arXiv 1211.5063.
    Shapes: x (20,); the start is N(0, 0.1²) in every coordinate, m is a random corner of the cube [-1, 1]^20.
    Optimum: f* = 0 at m. It is not the origin, where plain weight decay would find it without a gradient.

    Exposes how long an average of squares remembers: at its best learning rate, Adam needs three times the steps that
    it would need without the burst when beta2 is 0.999, and 1.3 times when it is 0.99. The condition is why the burst
    ends before the descent does, and why a learning rate made for the burst does not save the rest.
    """

    name: ClassVar[str] = "gradient_burst"
    tags: ClassVar[frozenset[str]] = frozenset({"convex", "deterministic", "nonstationary", "rotated"})
    source: ClassVar[str] = "after the gradient explosions of Pascanu et al. 2013 (arXiv 1211.5063)"
    horizon: ClassVar[int] = 600

    condition: float = knob(100.0, least=1, harder="more")
    """Ratio of the largest to the smallest curvature."""
    factor: float = knob(10.0, above=0, harder="more")
    """Of the gradient during the burst."""
    length: int = knob(50, least=0, harder="more")
    """Steps that the burst lasts."""

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        times = torch.arange(start, start + steps)
        return {"factor": torch.where(times < self.length, self.factor, 1.0).to(torch.float32)}

    def transform(
        self, gradient: Tensors, parameters: Tensors, constants: Tensors, batch: Tensors, memory: Tensors
    ) -> tuple[Tensors, Tensors]:
        return {"x": batch["factor"] * gradient["x"]}, memory
