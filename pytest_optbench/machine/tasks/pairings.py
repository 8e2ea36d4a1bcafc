"""Pairings: two views of one thing, each to be found among the views of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import one_hot
from pytest_optbench.machine.tasks.draws import normal, rotation, uniform
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, data_set
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.perceptron import dead_units, hidden_units, outputs, started
from pytest_optbench.machine.tasks.task import Task, Tensors

GROUP = 32
"""Views that one is looked for among, in the evaluation."""
GROUPS = 4
KEPT = 0.7
TEMPERATURE = 0.2
EMBEDDING = 16
RIDGE = 1e-2
LATENTS = (1.0, 0.8, 0.6, 0.4)
"""Standard deviations of what two views have in common."""
OWN = 0.3
"""Standard deviation of what each has to itself."""


@dataclass(frozen=True)
class ContrastiveDigits(Task):
    """f = mean cross-entropy of finding a view's partner among 32, by cos(e(v), e(v')) / 0.2, e a 64-32-16 network.

    Source: InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) as in SimCLR (Chen et al. 2020, arXiv 2002.05709), on
    scikit-learn's digits.
    Shapes: weights (32, 64), (16, 32), biases (32,), (16,), ReLU between; they start as He et al. 2015 (arXiv
    1502.01852), biases at 0. A batch is 32 indices of training images, drawn with replacement, and two masks of each
    (2, 32, 64); a view is the image with 30 % of its pixels masked out. Either view is looked for given the other.
    Optimum: unknown, so the target is relative to the references.

    The evaluation is the same loss on frozen views of 128 images never trained on, in 4 groups. The metric
    `linear_probe_accuracy` is that of a ridge regression of the digit on the 32 hidden units, fitted to 480 training
    images, on the 360 held-out images. Exposes a loss that couples the samples of a batch, and normalized outputs.
    """

    name: ClassVar[str] = "contrastive_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "self_supervised"})
    source: ClassVar[str] = "SimCLR (Chen et al. 2020, arXiv 2002.05709), on scikit-learn's digits"
    horizon: ClassVar[int] = 300
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"initial": (1.0, 4.0), "dead_units": (0.0, 0.5), "linear_probe_accuracy": (0.5, 1.0)}
    )

    width: int = knob(32, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(32, least=2)

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "masks"))
        return {**data_set(), "masks": _masks(generator, 2, GROUPS * GROUP)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return started(streams.init, 64, self.width, EMBEDDING)

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "rows": torch.randint(TRAINING_SAMPLES, (steps, self.batch_size), generator=streams.data),
            "masks": _masks(streams.data, steps, 2, self.batch_size),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return _pairing(_similarities(parameters, constants["images"][batch["rows"]], batch["masks"], groups=1))

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        images = constants["images"][TRAINING_SAMPLES : TRAINING_SAMPLES + GROUPS * GROUP]
        return _pairing(_similarities(parameters, images, constants["masks"], groups=GROUPS))

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        features = hidden_units(parameters, constants["images"].T)[0].T
        features = torch.cat([features, torch.ones_like(features[:, :1])], 1)
        seen, labels = features[:EVALUATED], constants["labels"]
        curvature = seen.T @ seen / EVALUATED + RIDGE * torch.eye(len(seen.T), dtype=seen.dtype, device=seen.device)
        probe = torch.linalg.solve(curvature, seen.T @ one_hot(labels[:EVALUATED], 10, seen.dtype) / EVALUATED)
        hits = (features[TRAINING_SAMPLES:] @ probe).argmax(1) == labels[TRAINING_SAMPLES:]
        return {"linear_probe_accuracy": hits.to(seen.dtype).mean()}

    def diagnostics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        return {"dead_units": dead_units(parameters, constants["images"][:EVALUATED].T)}


@dataclass(frozen=True)
class TwoViewAlignment(Task):
    """f(E, F, G, H) = mean cross-entropy of pairing x and y by the scores (E x)·(F y) - ½ ‖G x‖² - ½ ‖H y‖².

    Source: the symmetric loss of CLIP (Radford et al. 2021, arXiv 2103.00020), on the two Gaussian views of
    probabilistic canonical correlation analysis (Bach and Jordan 2005).
    Shapes: all matrices (4, 10), start N(0, 1/10); a batch is 32 pairs x, y (32, 10), drawn anew: x = P z + 0.3 n and
    y = Q z + 0.3 n', with z (4,) of standard deviations 1, 0.8, 0.6, 0.4, and n, n' (10,) standard normal. P and Q
    (10, 4) have orthonormal columns, drawn per seed. Either view is looked for among the 32, given the other.
    Optimum: f* = 0 as evaluated, the mean Kullback-Leibler divergence from the true posterior of the pairing, of 4
    frozen groups of 32 pairs per seed: the expected excess over the Bayes loss. It is attained at the true
    log density ratio, log p(x, y) / p(x) p(y) = Σₖ (ρ aₖ bₖ - ½ ρ² (aₖ² + bₖ²)) / (1 - ρ²) with aₖ, bₖ the
    canonical variables and ρ = σₖ² / (σₖ² + 0.09), which has the form of the scores.

    Exposes two encoders that only learn through each other, with a saddle where both are 0.
    """

    name: ClassVar[str] = "two_view_alignment"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "matrix", "two_views"})
    source: ClassVar[str] = "CLIP (Radford et al. 2021, arXiv 2103.00020) on Gaussian views (Bach and Jordan 2005)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 300

    dimension: int = knob(10, least=len(LATENTS))
    """Of either view."""
    batch_size: int = knob(32, least=2)

    def private(self, streams: Streams) -> Tensors:
        loadings = {
            name: rotation(streams.data, self.dimension)[:, : len(LATENTS)].contiguous() for name in ("left", "right")
        }
        x, y = self._views(streams.data, loadings, GROUPS, GROUP)
        truth = _scores(self.solution(loadings, 0), x, y)
        return {**loadings, "x": x, "y": y, "x_of_y": truth.softmax(1), "y_of_x": truth.softmax(2)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        shape = (len(LATENTS), self.dimension)
        return {name: self.dimension**-0.5 * normal(streams.init, *shape) for name in "EFGH"}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        x, y = self._views(streams.data, constants, steps, self.batch_size)
        return {"x": x, "y": y}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return _pairing(_scores(parameters, batch["x"][None], batch["y"][None]))

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        scores = _scores(parameters, constants["x"], constants["y"])
        return 0.5 * (
            _divergence(constants["x_of_y"], scores.log_softmax(1))
            + _divergence(constants["y_of_x"], scores.log_softmax(2))
        )

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        found = _scores(parameters, constants["x"], constants["y"]).argmax(2)
        right = torch.arange(GROUP, device=found.device)
        return {"retrieval_accuracy": (found == right).to(parameters["E"].dtype).mean()}

    def solution(self, constants: Tensors, step: int) -> Tensors:
        variances = torch.tensor(LATENTS, dtype=torch.float64).square()
        totals = variances + OWN**2
        correlations = variances / totals
        both = (correlations / (1 - correlations.square()) / totals).sqrt().float()[:, None]
        alone = (correlations.square() / (1 - correlations.square()) / totals).sqrt().float()[:, None]
        left, right = constants["left"].T, constants["right"].T
        return {"E": both * left, "F": both * right, "G": alone * left, "H": alone * right}

    def _views(self, generator: Generator, loadings: Tensors, *shape: int) -> tuple[Tensor, Tensor]:
        common = torch.tensor(LATENTS) * normal(generator, *shape, len(LATENTS))
        left, right = OWN * normal(generator, 2, *shape, self.dimension)
        return common @ loadings["left"].T + left, common @ loadings["right"].T + right


def _masks(generator: Generator, *shape: int) -> Tensor:
    """Ones where a pixel is kept (..., 64)."""
    return (uniform(generator, *shape, 64) < KEPT).float()


def _similarities(parameters: Tensors, images: Tensor, masks: Tensor, groups: int) -> Tensor:
    """Scaled cosines (groups, n, n) between the views of `images` (groups * n, 64) under either of `masks` (2, ...)."""
    embedded = outputs(parameters, (images * masks).flatten(0, 1).T)
    embedded = embedded * (embedded.square().sum(0) + 1e-6).rsqrt()
    one, other = embedded.reshape(len(embedded), 2, groups, -1).permute(1, 2, 3, 0).unbind()
    scaled: Tensor = one @ other.transpose(1, 2) / TEMPERATURE
    return scaled


def _scores(parameters: Tensors, x: Tensor, y: Tensor) -> Tensor:
    """Scores (groups, n, n) of every pair of `x` and `y` (groups, n, dimension)."""
    E, F, G, H = (parameters[name].T for name in "EFGH")
    own = (x @ G).square().sum(2)[:, :, None] + (y @ H).square().sum(2)[:, None, :]
    return (x @ E) @ (y @ F).transpose(1, 2) - 0.5 * own


def _pairing(scores: Tensor) -> Tensor:
    """Mean cross-entropy of the diagonal of `scores` (groups, n, n), along rows and columns alike."""
    partners = torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1)
    return 0.5 * (cross_entropy(scores, partners) + cross_entropy(scores.transpose(1, 2), partners))


def _divergence(truth: Tensor, log_predictions: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each of the distributions, their mean; 0-dim."""
    return (torch.xlogy(truth, truth) - truth * log_predictions).sum() / (GROUPS * GROUP)
