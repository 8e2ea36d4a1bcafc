"""Local steps: the direction is where a few steps of gradient descent lead to, not a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.nn.functional import cross_entropy

from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.images import EVALUATED, TRAINING_SAMPLES, data_set, digits
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

CLIENTS = 10
SHARDS = 2
"""Pieces of the images, sorted by their labels, that every client holds."""
SHARD_SIZE = TRAINING_SAMPLES // (CLIENTS * SHARDS)
SHOTS = 5
QUERIES = 25
ADAPTED = 8
"""Frozen tasks that are evaluated."""

Loss = Callable[[Tensors, Tensors], Tensor]


class _LocalSteps(Task):
    """Base class: the direction is (p - p') / (steps * local_lr), where p' is the mean of where the locals get to."""

    local_lr: float
    steps: int

    def local_loss(self, parameters: Tensors, batch: Tensors) -> Tensor:
        """The loss of one local on one of its minibatches."""
        raise NotImplementedError

    def local_batches(self, constants: Tensors, batch: Tensors) -> Tensors:
        """What the locals descend on; every tensor (locals, steps, ...)."""
        raise NotImplementedError

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The mean loss of all locals before their first step."""
        first = {name: tensor[:, 0] for name, tensor in self.local_batches(constants, batch).items()}
        return vmap(self.local_loss, in_dims=(None, 0))(parameters, first).mean()

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        def one(batches: Tensors) -> tuple[Tensors, Tensor]:
            return self._descent(parameters, batches)

        directions, losses = vmap(one)(self.local_batches(constants, batch))
        return losses.mean(), {name: tensor.mean(0) for name, tensor in directions.items()}

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """A linear surrogate: the direction found at `at`, times the parameter."""
        return (self.gradient(at, constants, batch)[1][name] * parameters[name]).sum()

    def _descent(self, parameters: Tensors, batches: Tensors) -> tuple[Tensors, Tensor]:
        """The mean gradient (locals differ in nothing else) along `steps` steps, and the loss before the first."""
        moved = parameters
        gradients: list[Tensors] = []
        losses: list[Tensor] = []
        for step in range(self.steps):
            gradient, value = grad_and_value(self.local_loss)(
                moved, {name: tensor[step] for name, tensor in batches.items()}
            )
            moved = {name: tensor - self.local_lr * gradient[name] for name, tensor in moved.items()}
            gradients.append(gradient)
            losses.append(value)
        return {name: torch.stack([one[name] for one in gradients]).mean(0) for name in parameters}, losses[0]


@dataclass(frozen=True)
class SinusoidReptile(_LocalSteps):
    """f = mean (u(x) - A sin(x - φ))² after 5 SGD steps on 5 points of each of 8 tasks, u a 1-40-40-1 tanh network.

    Source: Reptile, Nichol et al. 2018 (arXiv 1803.02999), on the sinusoids of MAML, Finn et al. 2017 (arXiv
    1703.03400).
    Shapes: weights (40, 1) from N(0, 1), (40, 40) and (1, 40) from N(0, 1/40), biases (40,) from N(0, 1), (40,) and
    (1,) at 0; a batch is 10 tasks with A uniform in [0.1, 5] and φ in [0, π], each with 3 minibatches of 5 points x
    uniform in [-5, 5], for 3 local steps at lr 0.02.
    Optimum: unknown (5 points do not determine a sinusoid for this network), so the target is relative.

    The direction is the mean over tasks of (p - p') / (3 lr), p' where the local steps lead to: not the gradient of any
    loss. The evaluation adapts to 8 frozen tasks and takes the squared error on 25 other points of each.
    With 24 units and 5 tasks a step, 5 of 32 seeds of the best reference stay on a plateau for 200 steps, and with 10
    tasks 3 of 32 for 400; with 40 units, as in MAML, all come down within 250.
    Exposes meta-learning: directions that pull to different tasks, and agree only on what the tasks share.
    """

    name: ClassVar[str] = "sinusoid_reptile"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "local_steps"})
    source: ClassVar[str] = "Nichol et al. 2018 (arXiv 1803.02999), Finn et al. 2017 (arXiv 1703.03400)"
    horizon: ClassVar[int] = 350

    width: int = knob(40, least=1)
    """Units of both hidden layers."""
    tasks: int = knob(10, least=1)
    """Tasks per step."""
    steps: int = knob(3, least=1)
    """Local steps in each of them."""
    local_lr: float = knob(0.02, above=0)

    def shared(self) -> Tensors:
        generator = torch.Generator().manual_seed(derived_seed(self.name, self.version, "adapted"))
        inputs, targets = _sinusoids(generator, ADAPTED, SHOTS + QUERIES)
        return {"inputs": inputs, "targets": targets}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 1),
            "bias_0": normal(streams.init, self.width),
            "weight_1": normal(streams.init, self.width, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(self.width),
            "weight_2": normal(streams.init, 1, self.width) * self.width**-0.5,
            "bias_2": torch.zeros(1),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        inputs, targets = _sinusoids(streams.data, steps * self.tasks, self.steps * SHOTS)
        shape = (steps, self.tasks, self.steps, SHOTS)
        return {"inputs": inputs.view(shape), "targets": targets.view(shape)}

    def local_batches(self, constants: Tensors, batch: Tensors) -> Tensors:
        return batch

    def local_loss(self, parameters: Tensors, batch: Tensors) -> Tensor:
        return (_regression(parameters, batch["inputs"]) - batch["targets"]).square().mean()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self._errors(parameters, constants).mean()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        queries = {name: constants[name][:, SHOTS:] for name in ("inputs", "targets")}
        before = vmap(self.local_loss, in_dims=(None, 0))(parameters, queries)
        return {"error_before_adaptation": before.mean(), "worst_error": self._errors(parameters, constants).max()}

    def _errors(self, parameters: Tensors, constants: Tensors) -> Tensor:
        """The error on the queries of every frozen task, after as many steps on its shots as there are shots."""

        def one(inputs: Tensor, targets: Tensor) -> Tensor:
            shots = {"inputs": inputs[:SHOTS], "targets": targets[:SHOTS]}
            moved = parameters
            for _ in range(SHOTS):
                gradient, _ = grad_and_value(self.local_loss)(moved, shots)
                moved = {name: tensor - self.local_lr * gradient[name] for name, tensor in moved.items()}
            return self.local_loss(moved, {"inputs": inputs[SHOTS:], "targets": targets[SHOTS:]})

        return vmap(one)(constants["inputs"], constants["targets"])


@dataclass(frozen=True)
class FederatedDigits(_LocalSteps):
    """f = mean cross-entropy of a 64-12-10 tanh network, trained by 10 clients that see two shards of digits each.

    Source: federated averaging, McMahan et al. 2017 (arXiv 1602.05629), with an optimizer at the server, Reddi et al.
    2021 (arXiv 2003.00295).
    Shapes: weights (12, 64), (10, 12) from N(0, 1/fan-in), biases (12,), (10,) at 0. The 1437 training images, sorted
    by label, are cut into 20 shards of 71; each client holds two, which ones is drawn per seed. A batch is places
    (10, 3, 8) of minibatches of 8 images among a client's 142, drawn with replacement, for 3 local steps at lr 0.1.
    Optimum: unknown (cross-entropy tends to 0), so the target is relative to the references.

    The direction is the mean over clients of (p - p') / (3 lr), p' where the local steps lead to. The evaluation is the
    cross-entropy of 480 training images, always the same, of all clients; the metrics are those of the 360 held-out
    images. Exposes clients that drift apart: each of them soon knows its two labels, and forgets the others.
    """

    name: ClassVar[str] = "federated_digits"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "classification", "local_steps"})
    source: ClassVar[str] = "McMahan et al. 2017 (arXiv 1602.05629), Reddi et al. 2021 (arXiv 2003.00295)"
    horizon: ClassVar[int] = 200
    sane: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"initial": (2.0, 3.5)})

    width: int = knob(12, least=1)
    """Units of the hidden layer."""
    batch_size: int = knob(8, least=1)
    """Images of a client's minibatch."""
    steps: int = knob(3, least=1)
    """Local steps of every client."""
    local_lr: float = knob(0.1, above=0)

    def shared(self) -> Tensors:
        return data_set()

    def private(self, streams: Streams) -> Tensors:
        by_label = torch.tensor(digits()[1][:TRAINING_SAMPLES]).argsort(stable=True)
        shards = by_label[: CLIENTS * SHARDS * SHARD_SIZE].view(CLIENTS * SHARDS, SHARD_SIZE)
        dealt = torch.randperm(CLIENTS * SHARDS, generator=streams.data)
        return {"rows": shards[dealt].view(CLIENTS, SHARDS * SHARD_SIZE)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {
            "weight_0": normal(streams.init, self.width, 64) / 8,
            "bias_0": torch.zeros(self.width),
            "weight_1": normal(streams.init, 10, self.width) * self.width**-0.5,
            "bias_1": torch.zeros(10),
        }

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        shape = (steps, CLIENTS, self.steps * self.batch_size)
        places = torch.randint(SHARDS * SHARD_SIZE, shape, generator=streams.data)
        rows = constants["rows"].expand(steps, -1, -1).gather(2, places)
        return {"rows": rows.view(steps, CLIENTS, self.steps, self.batch_size)}

    def local_batches(self, constants: Tensors, batch: Tensors) -> Tensors:
        return {name: constants[name][batch["rows"]] for name in ("images", "labels")}

    def local_loss(self, parameters: Tensors, batch: Tensors) -> Tensor:
        return cross_entropy(_logits(parameters, batch["images"])[None], batch["labels"][None])

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self.local_loss(parameters, {name: constants[name][:EVALUATED] for name in ("images", "labels")})

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        logits = _logits(parameters, constants["images"][TRAINING_SAMPLES:])
        return classification_metrics(logits.T, constants["labels"][TRAINING_SAMPLES:])


def _sinusoids(generator: torch.Generator, tasks: int, points: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, each (tasks, points)."""
    amplitudes, phases = 0.1 + 4.9 * uniform(generator, tasks, 1), math.pi * uniform(generator, tasks, 1)
    inputs = 10 * uniform(generator, tasks, points) - 5
    return inputs, amplitudes * (inputs - phases).sin()


def _regression(parameters: Tensors, inputs: Tensor) -> Tensor:
    """The network's predictions (n,) at `inputs` (n,)."""
    hidden = inputs[None]
    for layer in "01":
        hidden = (parameters[f"weight_{layer}"] @ hidden + parameters[f"bias_{layer}"][:, None]).tanh()
    return (parameters["weight_2"] @ hidden + parameters["bias_2"][:, None])[0]


def _logits(parameters: Tensors, images: Tensor) -> Tensor:
    """Logits (10, n) of `images` (n, 64)."""
    hidden = (parameters["weight_0"] @ images.T + parameters["bias_0"][:, None]).tanh()
    return parameters["weight_1"] @ hidden + parameters["bias_1"][:, None]
