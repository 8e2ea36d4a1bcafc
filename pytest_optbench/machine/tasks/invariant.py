"""Scale-invariant problems: only the direction of the parameters matters, as before a normalization layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.draws import normal, rotation
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Tensors


@dataclass(frozen=True)
class RayleighScaleInv(ExactTask):
    """f(w) = wᵀ A w / wᵀ w, A = Rᵀ Λ R with eigenvalues evenly spaced from -1 to 1 and a rotation R per seed.

    Source: the Rayleigh quotient; scale invariance after van Laarhoven 2017, arXiv 1706.05350.
    Shapes: w (20,), A (20, 20); the start is N(0, 1), which favours no eigenvector.
    Optimum: f* = -1, the least eigenvalue of A, at every multiple of its eigenvector but the origin.

    Exposes what weights before a normalization layer do: gradients are orthogonal to w, so that every step makes w
    longer, and the effective learning rate is lr / ‖w‖².
    """

    name: ClassVar[str] = "rayleigh_scale_inv"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "deterministic", "rotated", "scale_invariant"})
    source: ClassVar[str] = "Rayleigh quotient, after van Laarhoven 2017 (arXiv 1706.05350)"
    optimum: ClassVar[float | None] = -1.0
    horizon: ClassVar[int] = 800

    dimension: int = knob(20, least=2, harder="more")
    """Also the number of eigenvalues: more of them lie closer together."""
    norm: float = knob(1.0, above=0)
    """Standard deviation of the start in every coordinate."""

    def private(self, streams: Streams) -> Tensors:
        R = rotation(streams.data, self.dimension).double()
        eigenvalues = torch.linspace(-1, 1, self.dimension, dtype=torch.float64)
        return {"A": (R.T @ (eigenvalues[:, None] * R)).float(), "eigenvector": R[0].float()}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"w": self.norm * normal(streams.init, self.dimension)}

    def value(self, parameters: Tensors, constants: Tensors) -> Tensor:
        w = parameters["w"]
        return (w * (constants["A"] @ w)).sum() / w.square().sum()

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"w": constants["eigenvector"].clone()}
