"""Stacks: the bits of separate instances where the probe admits an optimizer, and what keeps all others out."""

from __future__ import annotations

import math

import pytest
import torch
from harness import Draws, DrawsFromNumpy, DrawsFromPython, DrawsWhenBuilt, Odd, Prompt, Rich, make_case, run
from torch.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)

from pytest_optbench.machine.engine.case import CaseRun
from pytest_optbench.machine.engine.probe import EXACT_EXPONENTS
from pytest_optbench.machine.tasks import BUILTIN

TASKS = {task.name: task for task in BUILTIN}
STACKED = [
    (SGD, {"lr": 1e-4}),
    (SGD, {"lr": 1e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (AdamW, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "amsgrad": True}),
    (Adam, {"lr": 0.01, "weight_decay": 0.1}),
    (Adam, {"lr": 0.01, "foreach": True}),
    (NAdam, {"lr": 0.01}),
    (RAdam, {"lr": 1e-3}),
    (Adamax, {"lr": 0.01}),
    (Adagrad, {"lr": 0.01}),
    (Adadelta, {}),
    (RMSprop, {"lr": 0.01, "centered": True, "momentum": 0.9}),
    (Rprop, {"lr": 0.01}),
    (ASGD, {"lr": 0.01}),
]
"""Twelve classes that treat every entry by itself, some of them twice."""


def outcome(task, optimizer, engine="auto", **options):
    """The mode, the refusal, and the hash of every trajectory."""
    case = CaseRun(make_case(task, optimizer, engine=engine, **options))
    case.run()
    rows = case.rows()
    assert {(row.engine, row.engine_reason) for row in rows} == {(case.mode, case.refusal)}
    return case.mode, case.refusal, [row.trajectory_sha for row in rows]


def assert_refused(optimizer, reason, *, task=None, **options):
    """The case runs in lockstep, with lockstep's bits, and says why."""
    mode, refusal, bits = outcome(task or Rich(), optimizer, **options)
    assert mode == "lockstep"
    assert reason in refusal
    assert bits == outcome(task or Rich(), optimizer, engine="lockstep", **options)[2]


@pytest.mark.parametrize("name", ["rosenbrock2", "sparse_rows200", "digits_mlp_bn"])
@pytest.mark.parametrize(("optimizer", "hyperparameters"), STACKED)
def test_a_stack_has_the_bits_of_lockstep(optimizer, hyperparameters, name):
    options = {"hyperparameters": hyperparameters, "budget": 20 if "digits" not in name else 4}
    mode, refusal, bits = outcome(TASKS[name], optimizer, **options)
    assert (mode, refusal) == ("stacked", "")
    assert bits == outcome(TASKS[name], optimizer, engine="lockstep", **options)[2]
    assert len(set(bits)) == len(bits)


def test_a_stack_of_few_lanes_can_be_asked_for():
    assert outcome(Rich(), AdamW, engine="stacked", seeds=(0, 1))[0] == "stacked"


def test_one_seed_makes_no_stack():
    assert outcome(Rich(), SGD, engine="stacked", seeds=(0,), hyperparameters={"lr": 0.1})[:2] == ("lockstep", "")


def test_the_second_of_two_lanes_is_measured_at_its_own_weights():
    options = {"seeds": (0, 5), "budget": 120, "target": 1e-2, "hyperparameters": {"lr": 0.1}}
    stacked, lockstep = (run(Rich(), SGD, engine=engine, **options) for engine in ("stacked", "lockstep"))
    assert [row.engine for row in stacked.values()] == ["stacked", "stacked"]
    assert [row.metrics for row in stacked.values()] == [row.metrics for row in lockstep.values()]


def test_lanes_that_finish_early_leave_the_bits_of_the_others_alone():
    options = {"budget": 120, "target": 1e-2, "hyperparameters": {"lr": 0.1}}
    stacked, lockstep = (run(Rich(), SGD, engine=engine, **options) for engine in ("stacked", "lockstep"))
    assert len({row.steps_to_target for row in stacked.values()}) > 4
    assert {row.engine for row in stacked.values()} == {"stacked"}
    assert [row.trajectory_sha for row in stacked.values()] == [row.trajectory_sha for row in lockstep.values()]
    assert [row.metrics for row in stacked.values()] == [row.metrics for row in lockstep.values()]


def test_a_schedule_is_followed():
    def halving(optimizer, budget):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    stacked, lockstep = (
        outcome(Rich(), SGD, engine=engine, scheduler=halving, hyperparameters={"lr": 0.1})
        for engine in ("stacked", "lockstep")
    )
    assert stacked[0] == "stacked"
    assert stacked[2] == lockstep[2]


def test_two_sets_of_weights_are_switched():
    class Averages(Odd):
        """Judged at the mean of the last two points."""

        def step(self, closure=None):
            self.before = [p.detach().clone() for p in self.param_groups[0]["params"]]
            super().step()

        def eval(self):
            self._swap(getattr(self, "before", None))

        def train(self):
            self._swap(getattr(self, "after", None))

        def _swap(self, other):
            with torch.no_grad():
                weights = self.param_groups[0]["params"]
                self.after = [p.detach().clone() for p in weights]
                for p, q in zip(weights, other or self.after, strict=True):
                    p.copy_(q)

    stacked, lockstep = (outcome(Rich(), Averages, engine=engine) for engine in ("stacked", "lockstep"))
    assert stacked[0] == "stacked"
    assert stacked[2] == lockstep[2]
    assert stacked[2] != outcome(Rich(), Odd, engine="stacked")[2]


def test_state_and_time_are_those_of_one_instance():
    rows = run(Rich(), AdamW, engine="stacked")
    assert {row.state_bytes_per_param for row in rows.values()} == {(4 * 2 * 5 + 2 * 4) / 5}
    assert all(row.step_ms > 0 for row in rows.values())


class ClipsByGlobalNorm(Odd):
    """Couples parameters: the gradient is scaled to a norm of one over all of them."""

    def misbehave(self):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)


class SkipsWhenNotFinite(Odd):
    """A guard over the whole tensor, which changes nothing while all is well."""

    def step(self, closure=None):
        if all(torch.isfinite(p.grad).all() for p in self.param_groups[0]["params"]):
            super().step()


class SkipsWhenHuge(Odd):
    def step(self, closure=None):
        if all(p.grad.norm() <= 1e4 or p.grad.isnan().any() for p in self.param_groups[0]["params"]):
            super().step()


class SkipsWhenZero(Odd):
    """Adds noise-free momentum only to what has a gradient at all: a tensor of zeros is left alone."""

    def move(self, parameter, lr):
        if parameter.grad.any():
            parameter.mul_(0.99).add_(parameter.grad, alpha=-lr)


class RestsWhenZero(Odd):
    """A tensor without a gradient keeps its momentum for later."""

    def move(self, parameter, lr):
        if parameter.grad.any():
            momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            momentum.mul_(0.9).add_(parameter.grad)
            parameter.sub_(momentum, alpha=lr)


class LiftsSmallGradients(Odd):
    """Never takes a step shorter than lr / 1000."""

    def move(self, parameter, lr):
        norm = parameter.grad.norm()
        lifted = parameter.grad * (1e-3 / (norm + 1e-12)) if norm < 1e-3 else parameter.grad
        super().move(parameter, lr)
        parameter.sub_(lifted - parameter.grad, alpha=lr)


class DividesByAPower(Odd):
    """Padam's denominator: elementwise, and yet `pow` rounds otherwise at the end of a tensor, once in a while."""

    power: float | torch.Tensor = 0.25

    def move(self, parameter, lr):
        square = self.state[parameter].setdefault("square", torch.zeros_like(parameter))
        square.mul_(0.999).addcmul_(parameter.grad, parameter.grad, value=0.001)
        parameter.sub_(lr * parameter.grad / (square.pow(self.power) + 1e-8))


class DividesByARoot(DividesByAPower):
    power = 0.5


class TakesAnAngle(Odd):
    """The step of Adam-atan2."""

    def move(self, parameter, lr):
        parameter.sub_(torch.atan2(parameter.grad, parameter.grad.square().add(1).sqrt()), alpha=lr)


class DecaysMatricesOnly(Odd):
    """The rule depends on the number of dimensions, as a Muon's does: a stacked vector looks like a matrix."""

    def move(self, parameter, lr):
        if parameter.ndim == 2:
            parameter.mul_(1 - lr)
        super().move(parameter, lr)


class RemembersANorm(Odd):
    """State in Python: the length of the last gradient, as a number."""

    def move(self, parameter, lr):
        last = getattr(self, "last", 1.0)
        self.last = parameter.grad.norm().item()
        parameter.add_(parameter.grad, alpha=-lr / (1 + last))


class SharesACounter(Odd):
    """State on the class, for all instances."""

    calls = 0

    def misbehave(self):
        type(self).calls += 1
        self.param_groups[0]["lr"] = 0.1 / (1 + type(self).calls % 7)


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (ClipsByGlobalNorm, "probe: on stacked parameters it takes other steps"),
        (SkipsWhenNotFinite, "probe: gradients of NaN in one lane change the others"),
        (SkipsWhenHuge, "probe: gradients of infinity in one lane change the others"),
        (SkipsWhenZero, "probe: on stacked parameters it takes other steps at gradients of zero"),
        (RestsWhenZero, "probe: on stacked parameters it takes other steps at gradients of zero, after others,"),
        (LiftsSmallGradients, "probe: on stacked parameters it takes other steps at gradients of a millionth"),
        (DividesByAPower, "probe: pow rounds by an entry's place in a tensor"),
        (TakesAnAngle, "probe: atan2 rounds by an entry's place in a tensor"),
        (DecaysMatricesOnly, "probe: on stacked parameters it takes other steps"),
        (RemembersANorm, "probe: on stacked parameters it takes other steps"),
        (Draws, "probe: "),
        (DrawsFromNumpy, "probe: "),
        (DrawsFromPython, "probe: "),
        (DrawsWhenBuilt, "draws random numbers"),
    ],
)
def test_what_is_not_elementwise_is_refused_by_the_probe(optimizer, reason):
    assert_refused(optimizer, reason)


def test_powers_that_round_alike_everywhere_are_stacked():
    assert outcome(Rich(), DividesByARoot)[:2] == ("stacked", "")


def test_fused_kernels_are_not_stacked():
    assert_refused(AdamW, "probe: _fused_adamw rounds", task=TASKS["rosenbrock2"], hyperparameters={"fused": True})


ALIKE = {
    "sqrt": lambda a, b: b.sqrt(),
    "rsqrt": lambda a, b: b.rsqrt(),
    "reciprocal": lambda a, b: b.reciprocal(),
    "div": lambda a, b: a / b,
    "sign": lambda a, b: a.sign(),
    "exp": lambda a, b: a.exp(),
    "log": lambda a, b: b.log(),
    "log1p": lambda a, b: b.log1p(),
    "tanh": lambda a, b: a.tanh(),
    "erf": lambda a, b: a.erf(),
    "sin": lambda a, b: a.sin(),
    "hypot": torch.hypot,
    "lerp": lambda a, b: a.lerp(b, 0.1),
    "addcdiv": lambda a, b: a.addcdiv(a, b, value=-0.01),
    "addcmul": lambda a, b: a.addcmul(a, b, value=0.01),
    "add": lambda a, b: a.add(b, alpha=0.3),
    **{f"pow {exponent}": lambda a, b, exponent=exponent: b.pow(exponent) for exponent in EXACT_EXPONENTS},
}


@pytest.mark.parametrize("name", ALIKE)
def test_kernels_that_many_optimizers_call_round_alike_everywhere(name):
    torch.manual_seed(0)
    for _ in range(20):
        left, right = torch.randn(32, 5), torch.rand(32, 5) + 1e-3
        whole = ALIKE[name](left, right)
        own = [ALIKE[name](a.clone(), b.clone()) for a, b in zip(left, right, strict=True)]
        assert torch.equal(whole, torch.stack(own))


def test_state_on_the_class_is_refused_by_the_probe():
    mode, refusal, _ = outcome(Rich(), SharesACounter)
    assert (mode, refusal[:6]) == ("lockstep", "probe:")


def test_a_guard_against_large_numbers_alone_is_refused_by_the_probe():
    class SkipsWhenLarge(Odd):
        def step(self, closure=None):
            norms = [p.grad.norm() for p in self.param_groups[0]["params"]]
            if not any(1e4 < norm < math.inf for norm in norms):
                super().step()

    assert_refused(SkipsWhenLarge, "gradients of a million in one lane change the others")


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [(Muon, "building it on stacked parameters raised ValueError: Muon only supports 2D"), (Adafactor, "probe: ")],
)
def test_matrix_optimizers_of_torch_are_refused(optimizer, reason):
    task = TASKS["matrix_factor"]
    assert_refused(optimizer, reason, task=task, hyperparameters={"lr": 0.01}, seeds=(0, 1, 2, 3), budget=4)


@pytest.mark.parametrize("claims", [{"elementwise": False}, {"couples_params": True}, {"stochastic": True}])
def test_a_claim_is_believed_without_a_probe(claims, monkeypatch):
    case = make_case(Rich(), SGD, engine="auto", hyperparameters={"lr": 0.1})
    object.__setattr__(case.recipe, "claims", claims)
    made = CaseRun(case)
    made.run()
    assert made.mode == "lockstep"
    assert made.refusal.startswith("claims: ")


class ClipsLater(Odd):
    """Behaves for fifty steps, longer than any probe looks, then couples everything by a norm."""

    def misbehave(self):
        if self.count > 50:
            torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1e-3)


class DrawsLater(Odd):
    def misbehave(self):
        if self.count > 50:
            self.weights.data.add_(1e-3 * torch.rand(()))


class LooksAtDrawsLater(Odd):
    """Draws, and throws it away: every bit is the same, but for the generator's."""

    def misbehave(self):
        if self.count > 50:
            torch.rand(())


class RaisesOnStacks(Odd):
    def misbehave(self):
        if self.count > 50 and self.weights.ndim > 1:
            raise ValueError("expected a vector")


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (ClipsLater, "shadow: 'x' of seed 0 differs after 51 steps"),
        (DrawsLater, "shadow: 'x' of seed 0 differs after 51 steps"),
        (LooksAtDrawsLater, "draws random numbers"),
        (RaisesOnStacks, "a step raised ValueError: expected a vector"),
    ],
)
def test_a_wrong_admission_is_caught_by_the_shadow_and_rerun_in_lockstep(optimizer, reason):
    assert_refused(optimizer, reason, budget=70)


def test_shadows_watch_on_when_their_own_seeds_have_reached_the_target():
    class ClipsLast(Odd):
        """Couples everything by a norm once the first and the last seed, and most others, are done."""

        def misbehave(self):
            if self.count > 400:
                torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 0.01)

    options = {"seeds": (0, 2, 3, 4, 9, 10, 5, 1), "budget": 600, "target": 1e-3, "hyperparameters": {"lr": 0.03}}
    assert_refused(ClipsLast, "shadow: 'x' of seed 0 differs after 401 steps", task=Prompt(), **options)


class Climbs(Odd):
    """Judged where every entry is exact; its gradients are taken a step of fixed length away, as by sharpness-aware
    methods."""

    after = 0

    def step(self, closure=None):
        self.eval()
        super().step()
        self.exact = [p.detach().clone() for p in self.param_groups[0]["params"]]
        with torch.no_grad():
            for p in self.param_groups[0]["params"] if self.count > self.after else ():
                p.add_(p.grad / p.grad.norm().clamp(min=1e-8), alpha=0.1)
        self.away = [p.detach().clone() for p in self.param_groups[0]["params"]]

    def eval(self):
        self._set(getattr(self, "exact", None))

    def train(self):
        self._set(getattr(self, "away", None))

    def _set(self, values):
        with torch.no_grad():
            for p, value in zip(self.param_groups[0]["params"], values or (), strict=bool(values)):
                p.copy_(value)


class ClimbsLater(Climbs):
    after = 50


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (Climbs, "probe: on stacked parameters it takes other steps"),
        (ClimbsLater, "shadow: 'x' of seed 0 differs after 51 steps"),
    ],
)
def test_the_weights_at_which_gradients_are_taken_must_agree_too(optimizer, reason):
    assert_refused(optimizer, reason, budget=70)


def test_the_last_lane_is_shadowed_too():
    class ClipsTheLast(Odd):
        """Couples only lanes of large seeds; the first lane keeps its bits."""

        def misbehave(self):
            if self.count > 50:
                for p in self.param_groups[0]["params"]:
                    large = p.grad.abs() > 20
                    p.grad.copy_(torch.where(large, p.grad / p.grad[large].abs().sum(), p.grad))

    assert_refused(ClipsTheLast, "of seed 7 differs", task=Prompt(), budget=70, hyperparameters={"lr": 1e-3})


def test_shadows_that_diverged_watch_over_nobody():
    class Spares(Odd):
        """Blows up the lanes that start far away, and the nearest."""

        def move(self, parameter, lr):
            far = (parameter.abs() > 60) | (parameter.abs() < 4)
            parameter.copy_(torch.where(far, parameter * 100, parameter))

    mode, refusal, bits = outcome(Prompt(), Spares, budget=20)
    assert mode == "lockstep"
    assert "both shadowed seeds have diverged" in refusal
    assert bits == outcome(Prompt(), Spares, engine="lockstep", budget=20)[2]


def test_closures_are_never_stacked():
    assert outcome(Prompt(), LBFGS, engine="stacked", hyperparameters={"lr": 0.1})[0] == "sequential"


def test_the_random_state_of_the_session_is_left_alone():
    before = torch.get_rng_state()
    outcome(Rich(), Draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_optimizer_that_changes_gradients_may_do_so():
    class Scales(Odd):
        def move(self, parameter, lr):
            parameter.grad.mul_(-lr)
            parameter.add_(parameter.grad)

    stacked, lockstep = (outcome(Rich(), Scales, engine=engine, budget=20) for engine in ("stacked", "lockstep"))
    assert stacked[0] == "stacked"
    assert stacked[2] == lockstep[2]


def test_a_gradient_that_is_a_constant_of_the_trace_may_be_changed():
    class Slope(Prompt):
        def value(self, parameters, constants):
            return parameters["x"].sum()

    class Scales(Odd):
        def move(self, parameter, lr):
            parameter.grad.mul_(-lr)
            parameter.add_(parameter.grad)

    stacked, lockstep = (outcome(Slope(), Scales, engine=engine, budget=20) for engine in ("stacked", "lockstep"))
    assert stacked[0] == "stacked"
    assert stacked[2] == lockstep[2]


def test_a_warm_up_hides_nothing_from_the_probe():
    def warm_up(optimizer, budget):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0 if step < 10 else 1.0)

    assert_refused(ClipsByGlobalNorm, "probe: on stacked parameters it takes other steps", scheduler=warm_up, budget=20)
