"""The standard tasks, in the order of the catalogue; one family per file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated
from pytest_optbench.machine.tasks.digits import DigitsLogreg, DigitsMlpBn
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.markov import MarkovTransformer
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.saddles import QuarticSaddle
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.tasks.valleys import Rosenbrock2

BUILTIN: tuple[Task, ...] = (
    SchaulCliff(),
    Ellipsoid20Rotated(),
    Rosenbrock2(),
    QuarticSaddle(),
    SparseRows200(),
    DriftingMin10(),
    DigitsLogreg(),
    DigitsMlpBn(),
    MatrixFactor(),
    MarkovTransformer(),
)

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "batch_norm": "layers are normalized by statistics of the minibatch",
        "classification": "class labels are predicted; metrics include accuracy and calibration",
        "convex": "the expected loss is convex in all parameters",
        "deterministic": "the gradient is the same at every step",
        "ill_conditioned": "curvatures differ by orders of magnitude",
        "linear": "the model is linear in its parameters",
        "matrix": "every parameter has two dimensions",
        "noisy": "the gradient is a random estimate: additive noise, minibatches or masks",
        "nonconvex": "the expected loss is not convex",
        "nonsmooth": "the gradient jumps",
        "nonstationary": "the expected loss changes from step to step",
        "rotated": "the curvature is not aligned with the coordinates",
        "saddle": "the start is close to a stationary point that is no minimum",
        "sequence": "tokens of a sequence are predicted",
        "sparse": "most entries of a gradient are exactly zero",
        "transformer": "the model is an attention network",
    }
)
"""What a task may be tagged with, and what the tag says; there are no other tags."""
