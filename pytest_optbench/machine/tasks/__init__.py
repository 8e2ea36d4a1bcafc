"""The standard tasks, in the order of the catalogue; one family per file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_optbench.machine.tasks.autoencoders import LinearAe
from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated, Sphere10
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.digits import DigitsLogreg, DigitsMlp32Relu, DigitsMlpBn
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.invariant import RayleighScaleInv
from pytest_optbench.machine.tasks.markov import MarkovTransformer
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.noise import MultNoiseBowl10
from pytest_optbench.machine.tasks.parity import XorFlip
from pytest_optbench.machine.tasks.physics import PinnPoisson
from pytest_optbench.machine.tasks.plateaus import PlateauGauss
from pytest_optbench.machine.tasks.regression import DiabetesOls
from pytest_optbench.machine.tasks.saddles import QuarticSaddle
from pytest_optbench.machine.tasks.scales import BlockScale15, ScaleHuge, ScaleTiny
from pytest_optbench.machine.tasks.schaul import SchaulAbs, SchaulCliff, SchaulGaussBowl, SchaulQuadBowl
from pytest_optbench.machine.tasks.schaul_basins import (
    SchaulConvexCliffBowl,
    SchaulGaussBasin,
    SchaulLaplaceBasin,
    SchaulReluBendBowl,
)
from pytest_optbench.machine.tasks.schaul_combined import (
    SchaulAbsBowl2,
    SchaulCliffBowl10,
    SchaulLaplaceValley10,
    SchaulSaddleBowl2,
)
from pytest_optbench.machine.tasks.schaul_lines import (
    SchaulBend,
    SchaulExponential,
    SchaulGaussConvexLine,
    SchaulGaussNonconvexLine,
    SchaulLaplaceConvexLine,
    SchaulLaplaceNonconvexLine,
    SchaulLine,
    SchaulQuadConvexLine,
    SchaulRelu,
    SchaulRidge,
)
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.tasks.valleys import Beale, Rosenbrock2

BUILTIN: tuple[Task, ...] = (
    SchaulLine(),
    SchaulQuadBowl(),
    SchaulAbs(),
    SchaulBend(),
    SchaulRelu(),
    SchaulGaussBowl(),
    SchaulCliff(),
    SchaulRidge(),
    SchaulExponential(),
    SchaulQuadConvexLine(),
    SchaulGaussNonconvexLine(),
    SchaulGaussConvexLine(),
    SchaulLaplaceNonconvexLine(),
    SchaulLaplaceConvexLine(),
    SchaulLaplaceBasin(),
    SchaulGaussBasin(),
    SchaulConvexCliffBowl(),
    SchaulReluBendBowl(),
    SchaulAbsBowl2(),
    SchaulSaddleBowl2(),
    SchaulCliffBowl10(),
    SchaulLaplaceValley10(),
    Sphere10(),
    Ellipsoid20Rotated(),
    Rosenbrock2(),
    Beale(),
    QuarticSaddle(),
    PlateauGauss(),
    MultNoiseBowl10(),
    SparseRows200(),
    ScaleTiny(),
    ScaleHuge(),
    BlockScale15(),
    GradientBurst(),
    DriftingMin10(),
    RayleighScaleInv(),
    DigitsLogreg(),
    DiabetesOls(),
    DigitsMlp32Relu(),
    DigitsMlpBn(),
    LinearAe(),
    MatrixFactor(),
    MarkovTransformer(),
    XorFlip(),
    PinnPoisson(),
)

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "batch_norm": "layers are normalized by statistics of the minibatch",
        "classification": "class labels are predicted; metrics include accuracy and calibration",
        "convex": "the expected loss is convex in all parameters",
        "deterministic": "no randomness in the gradient: the same at one point and step",
        "ill_conditioned": "curvatures differ by orders of magnitude",
        "linear": "the model is linear in its parameters",
        "matrix": "every parameter has two dimensions",
        "noisy": "the gradient is a random estimate: additive noise, minibatches or masks",
        "nonconvex": "the expected loss is not convex",
        "nonsmooth": "the gradient jumps",
        "nonstationary": "the problem, or the scale of its gradient, changes over time",
        "physics": "a differential equation is solved",
        "plateau": "the descent starts where there is next to no slope",
        "rotated": "the curvature is not aligned with the coordinates",
        "saddle": "the start is close to a stationary point that is no minimum",
        "scale_invariant": "the loss does not change when all parameters are multiplied by a number",
        "sequence": "tokens of a sequence are predicted",
        "sparse": "most entries of a gradient are exactly zero",
        "transformer": "the model is an attention network",
    }
)
"""What a task may be tagged with, and what the tag says; there are no other tags."""
