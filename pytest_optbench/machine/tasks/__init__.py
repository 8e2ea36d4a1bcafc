"""The standard tasks, in the order of the catalogue; one family per file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pytest_optbench.machine.tasks.adversarial import DomainAdversarialDigits, GaussGan
from pytest_optbench.machine.tasks.autoencoders import LinearAe, TiedAe
from pytest_optbench.machine.tasks.batch_scaling import BatchScaling32, BatchScaling128, BatchScaling512
from pytest_optbench.machine.tasks.bowls import Ellipsoid20, Ellipsoid20Rotated, Sphere10
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.cliffs import GradientCliff
from pytest_optbench.machine.tasks.convex import DifferentPowers10, LogSumExp2, PowellSingular4, Zakharov5
from pytest_optbench.machine.tasks.convolutions import DigitsConv2c
from pytest_optbench.machine.tasks.delays import DelayedGrad4, DelayedGrad16
from pytest_optbench.machine.tasks.densities import DdpmGmm2d, RealnvpGmm2d
from pytest_optbench.machine.tasks.digits import (
    DigitsDeep20Tanh,
    DigitsMlp20Sigmoid,
    DigitsMlp32Relu,
    DigitsMlpBn,
    DigitsMlpLn,
)
from pytest_optbench.machine.tasks.drifting import DriftingMin10
from pytest_optbench.machine.tasks.embeddings import ZipfEmbedding
from pytest_optbench.machine.tasks.games import BilinearGame, DiracGan
from pytest_optbench.machine.tasks.graphs import GcnSbm
from pytest_optbench.machine.tasks.invariant import RayleighScaleInv
from pytest_optbench.machine.tasks.landscapes import (
    Branin,
    Himmelblau,
    LogGoldsteinPrice,
    Mccormick,
    SixHumpCamel,
    StyblinskiTang2,
    ThreeHumpCamel,
)
from pytest_optbench.machine.tasks.local_steps import FederatedDigits, SinusoidReptile
from pytest_optbench.machine.tasks.logistic import BreastCancerLogreg, DigitsLogreg, IrisLogreg, WineLogreg
from pytest_optbench.machine.tasks.markov import MarkovLstm, MarkovTransformer
from pytest_optbench.machine.tasks.matrices import MatrixCompletion, MatrixFactor
from pytest_optbench.machine.tasks.mixtures import Gmm2, ImbalancedGmm
from pytest_optbench.machine.tasks.multimodal import Ackley2, Rastrigin2
from pytest_optbench.machine.tasks.noise import HeavyTailBowl10, MaskoutBowl10, MultNoiseBowl10, OutlierSpikes
from pytest_optbench.machine.tasks.noisy_classics import NoisyBeale2, NoisyBranin2, NoisyQuadratic100, NoisyRosenbrock2
from pytest_optbench.machine.tasks.pairings import ContrastiveDigits, TwoViewAlignment
from pytest_optbench.machine.tasks.parity import XorFlip
from pytest_optbench.machine.tasks.physics import PinnPoisson
from pytest_optbench.machine.tasks.planar import Spiral, TwoMoons
from pytest_optbench.machine.tasks.plasticity import Plasticity
from pytest_optbench.machine.tasks.plateaus import PlateauGauss
from pytest_optbench.machine.tasks.precision import Bf16Quadratic20
from pytest_optbench.machine.tasks.quadratics import BentCigar10, BoothMatyas, Discus10, L2lRandomQuadratic, Trid6
from pytest_optbench.machine.tasks.recurrent import Adding20, Copy20
from pytest_optbench.machine.tasks.regression import DiabetesOls
from pytest_optbench.machine.tasks.reinforcement import BanditPg, GridworldA2c, LqrPg
from pytest_optbench.machine.tasks.restoration import DenoiseDigits, SuperResolutionDigits
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
from pytest_optbench.machine.tasks.semisupervised import SemisupDigits
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.machine.tasks.transformed import LogObjective, ReparamScale
from pytest_optbench.machine.tasks.valleys import Beale, Rosenbrock2, Rosenbrock10
from pytest_optbench.machine.tasks.vanishing import DegeneratePowers, DependencyChain10, MinMaxWell10
from pytest_optbench.machine.tasks.variational import PpcaVae
from pytest_optbench.words.threshold import shipped_thresholds

CATALOGUE: tuple[Task, ...] = (
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
    Ellipsoid20(),
    Ellipsoid20Rotated(),
    BentCigar10(),
    Discus10(),
    DifferentPowers10(),
    Rosenbrock2(),
    Rosenbrock10(),
    Beale(),
    BoothMatyas(),
    L2lRandomQuadratic(),
    Himmelblau(),
    ThreeHumpCamel(),
    SixHumpCamel(),
    Mccormick(),
    Branin(),
    StyblinskiTang2(),
    LogGoldsteinPrice(),
    LogSumExp2(),
    PowellSingular4(),
    Zakharov5(),
    Trid6(),
    Ackley2(),
    Rastrigin2(),
    QuarticSaddle(),
    DegeneratePowers(),
    PlateauGauss(),
    DependencyChain10(),
    MinMaxWell10(),
    GradientCliff(),
    NoisyQuadratic100(),
    NoisyRosenbrock2(),
    NoisyBeale2(),
    NoisyBranin2(),
    HeavyTailBowl10(),
    MultNoiseBowl10(),
    MaskoutBowl10(),
    OutlierSpikes(),
    SparseRows200(),
    ScaleTiny(),
    ScaleHuge(),
    BlockScale15(),
    ReparamScale(),
    LogObjective(),
    GradientBurst(),
    DriftingMin10(),
    DelayedGrad4(),
    DelayedGrad16(),
    BilinearGame(),
    DiracGan(),
    RayleighScaleInv(),
    Bf16Quadratic20(),
    DigitsLogreg(),
    BreastCancerLogreg(),
    WineLogreg(),
    IrisLogreg(),
    DiabetesOls(),
    DigitsMlp20Sigmoid(),
    DigitsMlp32Relu(),
    DigitsMlpBn(),
    DigitsMlpLn(),
    DigitsConv2c(),
    DigitsDeep20Tanh(),
    LinearAe(),
    TiedAe(),
    MatrixFactor(),
    MatrixCompletion(),
    ZipfEmbedding(),
    MarkovTransformer(),
    MarkovLstm(),
    Adding20(),
    Copy20(),
    XorFlip(),
    Gmm2(),
    ImbalancedGmm(),
    TwoMoons(),
    Spiral(),
    Plasticity(),
    BatchScaling32(),
    BatchScaling128(),
    BatchScaling512(),
    PpcaVae(),
    GaussGan(),
    RealnvpGmm2d(),
    DdpmGmm2d(),
    BanditPg(),
    LqrPg(),
    GridworldA2c(),
    SinusoidReptile(),
    PinnPoisson(),
    GcnSbm(),
    SemisupDigits(),
    ContrastiveDigits(),
    FederatedDigits(),
    DomainAdversarialDigits(),
    TwoViewAlignment(),
    SuperResolutionDigits(),
    DenoiseDigits(),
)
"""All standard tasks that are written."""

BUILTIN: tuple[Task, ...] = tuple(task for task in CATALOGUE if (task.name, task.version) in shipped_thresholds())
"""Those that are part of the suite: the ones that have a target and a budget in the table that the package ships."""

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "batch_norm": "layers are normalized by statistics of the minibatch",
        "classification": "class labels are predicted; metrics include accuracy and calibration",
        "convex": "the expected loss is convex in all parameters",
        "convolution": "the model has convolutional layers",
        "deterministic": "no randomness in the gradient: the same at one point and step",
        "game": "players descend losses of their own, all at once",
        "generative": "the model generates samples like its data",
        "graph": "the samples are the nodes of a graph, and the network mixes neighbours",
        "ill_conditioned": "curvatures differ by orders of magnitude",
        "image_to_image": "images are predicted from images; examples show some",
        "linear": "the model is linear in its parameters",
        "local_steps": "the direction is where some steps of gradient descent lead to, and no gradient",
        "low_precision": "the parameters are kept in fewer bits than the gradient is computed with",
        "matrix": "every parameter has two dimensions",
        "multimodal": "some minima are worse than others",
        "two_views": "views of two kinds are brought together",
        "noisy": "the gradient is a random estimate: additive noise, minibatches or masks",
        "nonconvex": "the expected loss is not convex",
        "nonsmooth": "the gradient jumps",
        "nonstationary": "the problem, or the scale of its gradient, changes over time",
        "physics": "a differential equation is solved",
        "plateau": "the descent starts where there is next to no slope",
        "recurrent": "the model carries a state from one symbol of a sequence to the next",
        "reinforcement": "a policy learns from rewards of what it did",
        "rotated": "the curvature is not aligned with the coordinates",
        "saddle": "the start is close to a stationary point that is no minimum",
        "scale_invariant": "the loss does not change when all parameters are multiplied by a number",
        "self_supervised": "no labels: the data are their own targets",
        "semi_supervised": "few labels, and many samples without",
        "sequence": "tokens of a sequence are predicted",
        "sparse": "most entries of a gradient are exactly zero",
        "transformer": "the model is an attention network",
    }
)
"""What a task may be tagged with, and what the tag says; there are no other tags."""
