"""The standard tasks, in the order of the catalogue; one family per file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_optbench.machine.tasks.adversarial import DomainAdversarialDigits, GaussGan
from pytest_optbench.machine.tasks.autoencoders import LinearAe
from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated, Sphere10
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.densities import DdpmGmm2d, RealnvpGmm2d
from pytest_optbench.machine.tasks.digits import DigitsLogreg, DigitsMlp32Relu, DigitsMlpBn
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.invariant import RayleighScaleInv
from pytest_optbench.machine.tasks.local_steps import FederatedDigits, SinusoidReptile
from pytest_optbench.machine.tasks.markov import MarkovTransformer
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.noise import MultNoiseBowl10
from pytest_optbench.machine.tasks.parity import XorFlip
from pytest_optbench.machine.tasks.physics import PinnPoisson
from pytest_optbench.machine.tasks.plateaus import PlateauGauss
from pytest_optbench.machine.tasks.regression import DiabetesOls
from pytest_optbench.machine.tasks.reinforcement import BanditPg, GridworldA2c, LqrPg
from pytest_optbench.machine.tasks.saddles import QuarticSaddle
from pytest_optbench.machine.tasks.scales import BlockScale15, ScaleHuge, ScaleTiny
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.tasks.valleys import Beale, Rosenbrock2
from pytest_optbench.machine.tasks.variational import PpcaVae

BUILTIN: tuple[Task, ...] = (
    SchaulCliff(),
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
    PpcaVae(),
    GaussGan(),
    RealnvpGmm2d(),
    DdpmGmm2d(),
    BanditPg(),
    LqrPg(),
    GridworldA2c(),
    SinusoidReptile(),
    PinnPoisson(),
    FederatedDigits(),
    DomainAdversarialDigits(),
)

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "batch_norm": "layers are normalized by statistics of the minibatch",
        "classification": "class labels are predicted; metrics include accuracy and calibration",
        "convex": "the expected loss is convex in all parameters",
        "deterministic": "no randomness in the gradient: the same at one point and step",
        "game": "players descend losses of their own, all at once",
        "generative": "the model generates samples like its data",
        "ill_conditioned": "curvatures differ by orders of magnitude",
        "linear": "the model is linear in its parameters",
        "local_steps": "the direction is where some steps of gradient descent lead to, and no gradient",
        "matrix": "every parameter has two dimensions",
        "noisy": "the gradient is a random estimate: additive noise, minibatches or masks",
        "nonconvex": "the expected loss is not convex",
        "nonsmooth": "the gradient jumps",
        "nonstationary": "the problem, or the scale of its gradient, changes over time",
        "physics": "a differential equation is solved",
        "plateau": "the descent starts where there is next to no slope",
        "reinforcement": "a policy learns from rewards of what it did",
        "rotated": "the curvature is not aligned with the coordinates",
        "saddle": "the start is close to a stationary point that is no minimum",
        "scale_invariant": "the loss does not change when all parameters are multiplied by a number",
        "sequence": "tokens of a sequence are predicted",
        "sparse": "most entries of a gradient are exactly zero",
        "transformer": "the model is an attention network",
    }
)
"""What a task may be tagged with, and what the tag says; there are no other tags."""
