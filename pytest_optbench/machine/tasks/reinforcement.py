"""Reinforcement learning: gradients of expected rewards, estimated from what the current policy did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import one_hot
from pytest_optbench.machine.tasks.draws import normal, uniform
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.task import Task, Tensors

ARMS = 10
TEMPERATURE = 0.2
"""What a nat of entropy is worth to the policy of the bandit."""
SIDE = 5
CELLS = SIDE * SIDE
GOAL = CELLS - 1
MOVES = ((-1, 0), (0, -1), (0, 1), (1, 0))
DISCOUNT = 0.99
DYNAMICS = ((1.0, 0.1), (0.0, 1.0))
CONTROL = (0.0, 0.1)
EFFORT = 0.1
"""What a squared action costs, where a squared state costs 1."""


@dataclass(frozen=True)
class BanditPg(Task):
    """f(z) = KL(π ‖ π*), π = softmax(z) a policy over 10 arms with mean rewards μ, π* = softmax(μ/T), T = 0.2.

    Source: REINFORCE, Williams 1992 (Machine Learning 8), with the leave-one-out baseline of Kool et al. 2019 (ICLR
    workshop "Buy 4 REINFORCE samples, get a baseline for free!") and the entropy bonus of Mnih et al. 2016 (arXiv
    1602.01783).
    Shapes: logits z (10,), which start as N(0, 1); a batch is 64 uniform numbers, which pick the arms of 64 pulls by
    inversion of the policy's cumulative probabilities, and the noise N(0, 0.5²) of their rewards. Per seed the best
    arm, at a place drawn, has mean 1, the others are below it by gaps uniform in [0.1, 1].
    Optimum: f* = 0 at z = μ/T. T f is what the expected reward plus T times the
    entropy falls short of its maximum.

    The loss is the surrogate whose derivative is the estimate: arms are picked by comparisons, which have no
    derivative, and so their rewards have none. Without the bonus the optimum is at infinity, and AdamW at lr 10 jumped
    from one certain policy to the next until it was there: 6 steps. Exposes steps that commit too early: what a policy
    does not try, it learns nothing about.
    """

    name: ClassVar[str] = "bandit_pg"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "reinforcement"})
    source: ClassVar[str] = "REINFORCE (Williams 1992), leave-one-out baseline (Kool et al. 2019)"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 500

    pulls: int = knob(64, least=2)
    """Arms that are tried per step."""
    noise: float = knob(0.5, least=0)
    """Standard deviation of a reward around the mean of its arm."""

    def private(self, streams: Streams) -> Tensors:
        best = torch.randint(ARMS, (1,), generator=streams.data)
        gaps = 0.1 + 0.9 * uniform(streams.data, ARMS)
        return {"rewards": 1 - gaps * (torch.arange(ARMS) != best)}

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"logits": normal(streams.init, ARMS)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "uniforms": uniform(streams.data, steps, self.pulls),
            "noise": self.noise * normal(streams.noise, steps, self.pulls),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return self.objective("logits", parameters, parameters, constants, batch)

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The surrogate, of what the policy at `at` pulled."""
        pulled = one_hot(inverted(at["logits"].softmax(0), batch["uniforms"]), ARMS, at["logits"].dtype)
        rewards = pulled @ constants["rewards"] + batch["noise"]
        advantages = (rewards - rewards.mean()) / (1 - 1 / self.pulls)
        log_policy = parameters["logits"].log_softmax(0)
        entropy = -log_policy.exp() @ log_policy
        return -(advantages @ (pulled @ log_policy)) / self.pulls - TEMPERATURE * entropy

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        log_policy = parameters["logits"].log_softmax(0)
        best = (constants["rewards"] / TEMPERATURE).log_softmax(0)
        return log_policy.exp() @ (log_policy - best)

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        policy = parameters["logits"].softmax(0)
        return {"regret": policy @ (1 - constants["rewards"]), "entropy": torch.special.entr(policy).sum()}

    def solution(self, constants: Tensors, step: int) -> Tensors:
        return {"logits": constants["rewards"] / TEMPERATURE}


@dataclass(frozen=True)
class LqrPg(Task):
    """f(K) = E Σ_t ‖x_t‖² + 0.1 u_t² for x_{t+1} = A x_t + B u_t, u_t = -K x_t and x_0 from N(0, I): the trace of P.

    Source: policy gradient for the linear-quadratic regulator, Fazel et al. 2018 (arXiv 1801.05039), estimated as in
    the random search of Mania et al. 2018 (arXiv 1803.07055).
    Shapes: K (1, 2); A = [[1, 0.1], [0, 1]], B = [0, 0.1]ᵀ, a mass that is pushed, in steps of 0.1; a batch is 16
    starts x_0 (16, 2) and 16 directions U (16, 2) from N(0, I). K starts uniform in [0.6, 1] x [1, 1.6], where it is
    stable.
    Optimum: f* = 18.788568, the trace of the solution of the discrete algebraic Riccati equation.

    The gradient is the mean over the batch of (c(K + r U) - c(K - r U)) U / 2 r, where c is the cost of a rollout of
    128 steps from x_0 and r = 0.1: two rollouts per direction, and no derivative of the dynamics. Evaluated are
    1024 steps,
    in expectation. Both sums are made by doubling: P of 2n steps is P + (Mⁿ)ᵀ P Mⁿ with P of n steps, M = A - B K.
    Exposes a cost that is infinite where K is unstable: a step too long and there is no way back.
    """

    name: ClassVar[str] = "lqr_pg"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "reinforcement", "matrix"})
    source: ClassVar[str] = "Fazel et al. 2018 (arXiv 1801.05039), Mania et al. 2018 (arXiv 1803.07055)"
    optimum: ClassVar[float | None] = 18.788568
    horizon: ClassVar[int] = 200

    directions: int = knob(16, least=1)
    """Perturbed policies per step, each tried on both sides."""
    radius: float = knob(0.1, above=0)
    """Standard deviation of a perturbation."""

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"gain": torch.tensor([0.6, 1.0]) + torch.tensor([0.4, 0.6]) * uniform(streams.init, 1, 2)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {
            "starts": normal(streams.data, steps, self.directions, 2),
            "noise": normal(streams.noise, steps, self.directions, 2),
        }

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The mean cost of the rollouts that the gradient is made of."""
        return self._rollouts(parameters, batch).mean()

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        costs = self._rollouts(parameters, batch)
        slopes = (costs[0] - costs[1]) / (2 * self.radius)
        return costs.mean(), {"gain": (slopes[:, None] * batch["noise"]).mean(0, keepdim=True)}

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        return (self.gradient(at, constants, batch)[1]["gain"] * parameters["gain"]).sum()

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return _cost_to_go(parameters["gain"], doublings=10).diagonal(dim1=-2, dim2=-1).sum()

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        closed = _closed_loop(parameters["gain"])[0]
        half_trace, determinant = (
            (closed[0, 0] + closed[1, 1]) / 2,
            closed[0, 0] * closed[1, 1] - closed[0, 1] * closed[1, 0],
        )
        discriminant = half_trace.square() - determinant
        real = half_trace.abs() + discriminant.clamp(min=0).sqrt()
        return {"spectral_radius": torch.where(discriminant < 0, determinant.abs().sqrt(), real)}

    def _rollouts(self, parameters: Tensors, batch: Tensors) -> Tensor:
        """The costs (2, directions) of K + r U and K - r U."""
        shift = self.radius * batch["noise"]
        gains = torch.stack([parameters["gain"] + shift, parameters["gain"] - shift])
        costs_to_go = _cost_to_go(gains, doublings=7)
        starts = batch["starts"]
        return (costs_to_go * starts[:, :, None] * starts[:, None, :]).sum((-2, -1))


@dataclass(frozen=True)
class GridworldA2c(Task):
    """f(Z) = 0.99⁸ - V(corner), V the discounted reward of a policy softmax(Z) that walks a 5x5 grid to its far corner.

    Source: advantage actor-critic, Mnih et al. 2016 (arXiv 1602.01783), on the gridworld of Sutton and Barto 1998.
    Shapes: logits Z (25, 4) of up, left, right and down in every cell, from N(0, 1); the critic's values v (25,) from
    N(0, 0.1²); a batch is the uniform numbers (24, 16) that pick the moves of 16 walks of 24 steps, all from the same
    corner. A move against the wall stays; the goal pays 1 on arrival and ends the walk.
    Optimum: f* = 0, approached as the policy gets certain: 8 moves are the fewest, so that V* = 0.99⁸ = 0.922745.

    The return G of every visit is what the walk earned after it, discounted, plus v of where it was cut off. The actor
    descends -(G - v(s)) log π(a|s), the critic ½ (G - v(s))², G held fixed: two players, each with its own objective.
    The evaluation is exact: V solves a linear system. Exposes a reward that the first policies hardly ever see.
    """

    name: ClassVar[str] = "gridworld_a2c"
    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy", "reinforcement", "plateau"})
    source: ClassVar[str] = "Mnih et al. 2016 (arXiv 1602.01783), gridworld of Sutton and Barto 1998"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 400

    walks: int = knob(16, least=1)
    length: int = knob(24, least=2 * (SIDE - 1))
    """Steps after which a walk is cut off."""

    def shared(self) -> Tensors:
        successors = torch.tensor([[_neighbour(cell, move) for move in MOVES] for cell in range(CELLS)])
        times = torch.arange(self.length + 1)
        exponents = (times - times[:, None])[:-1]
        return {
            "successors": successors,
            "transitions": (successors[..., None] == torch.arange(CELLS)).to(torch.float32),
            "discounts": torch.where(exponents >= 0, DISCOUNT ** exponents.double(), 0).to(torch.float32),
        }

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"logits": normal(streams.init, CELLS, len(MOVES)), "values": 0.1 * normal(streams.init, CELLS)}

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        return {"uniforms": uniform(streams.data, steps, self.length, self.walks)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        """The sum of both players' objectives."""
        visits = self._visits(parameters, constants, batch)
        return _actor(parameters["logits"], parameters["values"], visits) + _critic(parameters["values"], visits)

    def gradient(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> tuple[Tensor, Tensors]:
        logits, values = parameters["logits"], parameters["values"]
        visits = self._visits(parameters, constants, batch)
        actor, critic = _actor(logits, values, visits), _critic(values, visits)
        return actor + critic, {"logits": grad(_actor)(logits, values, visits), "values": grad(_critic)(values, visits)}

    def objective(self, name: str, parameters: Tensors, at: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        visits = self._visits(at, constants, batch)
        if name == "logits":
            return _actor(parameters["logits"], at["values"], visits)
        return _critic(parameters["values"], visits)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        moves = torch.einsum("sa,sat->st", parameters["logits"].softmax(1), constants["transitions"])[:GOAL]
        arrival, among = moves[:, GOAL], moves[:, :GOAL]
        identity = torch.eye(GOAL, dtype=moves.dtype, device=moves.device)
        values: Tensor = torch.linalg.solve(identity - DISCOUNT * among, DISCOUNT * arrival)
        return DISCOUNT**8 - values[0]

    def metrics(self, parameters: Tensors, constants: Tensors) -> Tensors:
        policy = parameters["logits"].softmax(1)
        return {"entropy": torch.special.entr(policy)[:GOAL].sum(1).mean()}

    def examples(self, parameters: Tensors, constants: Tensors) -> Tensors:
        """The policy, by cell and move."""
        return {"policy": parameters["logits"].softmax(1)}

    def _visits(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> _Visits:
        thresholds = parameters["logits"].softmax(1).cumsum(1)[:, :-1].T
        path = [torch.zeros_like(constants["successors"][:1, 0]).expand(self.walks)]
        moves: list[Tensor] = []
        for uniforms in batch["uniforms"]:
            moves.append((uniforms > thresholds.gather(1, path[-1].expand(len(MOVES) - 1, -1))).sum(0))
            path.append(constants["successors"].flatten().gather(0, len(MOVES) * path[-1] + moves[-1]))
        cells = torch.stack(path)
        walking = (cells != GOAL).to(batch["uniforms"].dtype)
        arrivals = DISCOUNT * (walking[:-1] - walking[1:])
        cut_off = walking[-1] * parameters["values"].gather(0, cells[-1])
        returns = constants["discounts"] @ torch.cat([arrivals, cut_off[None]])
        return _Visits(cells[:-1].flatten(), torch.cat(moves), walking[:-1].flatten(), returns.flatten())


@dataclass(frozen=True)
class _Visits:
    """What the walks did: for every step of every walk, in one dimension."""

    cells: Tensor
    moves: Tensor
    walking: Tensor
    """1 until the goal is reached, and 0 from then on."""
    returns: Tensor


def _actor(logits: Tensor, values: Tensor, visits: _Visits) -> Tensor:
    advantages = visits.walking * (visits.returns - values.gather(0, visits.cells))
    log_policy = logits.log_softmax(1).flatten()
    return -(advantages * log_policy.gather(0, len(MOVES) * visits.cells + visits.moves)).mean()


def _critic(values: Tensor, visits: _Visits) -> Tensor:
    return 0.5 * (visits.walking * (visits.returns - values.gather(0, visits.cells)).square()).mean()


def _neighbour(cell: int, move: tuple[int, int]) -> int:
    if cell == GOAL:
        return GOAL
    row, column = (
        min(max(place + change, 0), SIDE - 1) for place, change in zip(divmod(cell, SIDE), move, strict=True)
    )
    return SIDE * row + column


def inverted(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Choices, drawn from `probabilities` (..., choices) by `uniforms` (...): comparisons, without a derivative."""
    return (uniforms[..., None] > probabilities.cumsum(-1)[..., :-1]).sum(-1)


def _closed_loop(gains: Tensor) -> Tensor:
    """A - B K (..., 2, 2) of gains K (..., 2)."""
    dynamics, control = (torch.tensor(table, dtype=gains.dtype, device=gains.device) for table in (DYNAMICS, CONTROL))
    return dynamics - control[:, None] * gains[..., None, :]


def _cost_to_go(gains: Tensor, doublings: int) -> Tensor:
    """P (..., 2, 2), such that xᵀ P x is the cost of the first 2^doublings steps from x under gains K (..., 2)."""
    closed = _closed_loop(gains)
    identity = torch.eye(2, dtype=gains.dtype, device=gains.device)
    cost = identity + EFFORT * gains[..., :, None] * gains[..., None, :]
    for _ in range(doublings):
        cost = cost + closed.mT @ cost @ closed
        closed = closed @ closed
    return cost
