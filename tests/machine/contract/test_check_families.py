"""Checks of the families: the real members pass, and one-line faults fail with a sentence that names them."""

from __future__ import annotations

import math

import lion_pytorch
import prodigyopt
import pytest
import schedulefree
import torch
from verdicts import faults, verdicts

ADAM = {
    "amsgrad": {"amsgrad": True},
    "up": {"maximize": True},
    "other": {"betas": (0.5, 0.99), "eps": 1e-3, "lr": 0.3, "weight_decay": 0.1},
    "without": {"betas": (0.0, 0.99)},
    "foreach": {"foreach": True},
}
SGD = {
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "dampened": {"momentum": 0.9, "dampening": 0.5, "maximize": True},
}
ADAGRAD = {"decay": {"lr_decay": 0.1}, "filled": {"initial_accumulator_value": 0.5, "eps": 0.1, "maximize": True}}
MUON = {"rms": {"adjust_lr_fn": "match_rms_adamw"}, "plain": {"nesterov": False}}
AVERAGE = {"weighted": {"r": 0.5, "weight_lr_power": 0.0}, "warm": {"warmup_steps": 5, "weight_decay": 0.1}}


@pytest.mark.parametrize(
    ("optimizer", "family", "configurations", "checks"),
    [
        (torch.optim.Adam, "adam_like", ADAM, 6),
        (torch.optim.AdamW, "adam_like", ADAM, 6),
        (torch.optim.SGD, "sgd_like", SGD, 4),
        (torch.optim.Adagrad, "adagrad_like", ADAGRAD, 2),
        (torch.optim.Adafactor, "scale_adaptive", {}, 2),
        (lion_pytorch.Lion, "lion_like", {"short": {"betas": (0.5, 0.9), "weight_decay": 0.1}}, 5),
        (schedulefree.AdamWScheduleFree, "schedule_free", AVERAGE, 3),
        (schedulefree.SGDScheduleFree, "schedule_free", AVERAGE, 3),
        (schedulefree.RAdamScheduleFree, "schedule_free", {}, 3),
        (prodigyopt.Prodigy, "parameter_free", {}, 3),
    ],
)
def test_a_member_passes_all_checks_of_its_family(optimizer, family, configurations, checks):
    found = verdicts(optimizer, family=family, configurations=configurations)
    assert {name: said for name, said in found.items() if said} == {}
    assert len({name.split("::")[1] for name in found}) == checks


def test_a_muon_in_bfloat16_passes_if_it_says_so():
    found = verdicts(
        torch.optim.Muon, family="matrix_orthogonal", configurations=MUON, claims={"low_precision_step": True}
    )
    assert {name: said for name, said in found.items() if said} == {}
    assert len({name.split("::")[1] for name in found}) == 4


def test_without_a_family_nothing_is_checked():
    assert verdicts(torch.optim.Adam) == {}


def test_a_configuration_may_be_of_no_family():
    found = verdicts(
        torch.optim.Adam, family="adam_like", configurations={"odd": {"lr": 0.1}}, claims={"odd": {"family": ""}}
    )
    assert {name.split("::")[0] for name in found} == {"default"}


class Base(torch.optim.Optimizer):
    """An optimizer in as few words as possible: `update` returns what is subtracted, lr included."""

    def __init__(self, params, lr=1e-2, momentum=0.9, betas=(0.9, 0.99), eps=1e-8):
        super().__init__(params, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if not state:
                        state["t"] = 0
                        self.prepare(state, p)
                    state["t"] += 1
                    p.sub_(self.update(state, p.grad, group, p))
        return loss

    def prepare(self, state, p):
        state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)

    def update(self, state, g, group, p):
        raise NotImplementedError


class Adam(Base):
    correct1 = correct2 = True
    swapped = inside = early = capped = forgetful = False

    def update(self, state, g, group, p):
        beta1, beta2 = reversed(group["betas"]) if self.swapped else group["betas"]
        if self.capped:
            g = g.clamp(-1, 1)
        state["m"].lerp_(g, 1 - beta1)
        state["v"].mul_(beta1 if self.forgetful else beta2).addcmul_(g, g, value=1 - beta2)
        m = state["m"] / (1 - beta1 ** state["t"] if self.correct1 else 1)
        v = state["v"] / (1 - beta2 ** state["t"] if self.correct2 and not self.early else 1)
        root = (v + group["eps"]).sqrt() if self.inside else v.sqrt() + group["eps"]
        if self.early:
            root = root / (1 - beta2 ** state["t"]) ** 0.5
        return group["lr"] * m / root


class Momentum(Base):
    averaged = clipped = signed = late = reversed = False

    def __init__(self, params, lr=1e-2, momentum=0.9, nesterov=False):
        super().__init__(params, lr, momentum)
        self.nesterov = nesterov is not self.reversed

    def update(self, state, g, group, p):
        old = state["m"].clone()
        if self.clipped:
            g = g / g.norm().clamp(min=1)
        state["m"].mul_(group["momentum"]).add_(g, alpha=1 - group["momentum"] if self.averaged else 1)
        ahead = g + group["momentum"] * state["m"] if self.nesterov else old + g if self.late else state["m"]
        return group["lr"] * (ahead.sign() if self.signed else ahead)


class Sutskever(Momentum):
    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, lr, momentum, nesterov=True)


class Lion(Base):
    before = single = soft = False
    size = 1.0

    def update(self, state, g, group, p):
        beta1, beta2 = group["betas"]
        old = state["m"].clone()
        state["m"].lerp_(g, 1 - (beta1 if self.single else beta2))
        mixture = (state["m"] if self.before else old).lerp(g, 1 - beta1)
        return self.size * group["lr"] * (torch.tanh(1e3 * mixture) if self.soft else mixture.sign())


class Adagrad(Base):
    decays = averaged = False

    def update(self, state, g, group, p):
        if self.decays:
            state["v"].mul_(0.99)
        state["v"].addcmul_(g, g)
        return group["lr"] * g / ((state["v"] / (state["t"] if self.averaged else 1)).sqrt() + group["eps"])


class Polar(Base):
    halfway = rows = mixed = coarse = slanted = False

    def update(self, state, g, group, p):
        state["m"].mul_(group["momentum"]).add_(g)
        g = (1 - group["momentum"]) * g + group["momentum"] * state["m"] if self.slanted else state["m"]
        left, values, right = torch.linalg.svd(g, full_matrices=False)
        if self.halfway:
            update = left @ torch.diag(values.sqrt()) @ right
        elif self.rows:
            update = g / g.norm(dim=1, keepdim=True)
        else:
            update = left @ right
        n, m = g.shape
        size = group["lr"] * (math.sqrt(n / m) ** 3 if self.mixed else math.sqrt(max(1, n / m)))
        return size * (update.bfloat16() if self.coarse else update)


class Shampoo(Base):
    diagonal = ignored = always = unfolded_along_the_first = False
    order = None

    def __init__(self, params, lr=1e-2, precondition_frequency=1):
        super().__init__(params, lr)
        self.every = precondition_frequency

    def prepare(self, state, p):
        state["sides"] = [1e-6 * torch.eye(n, dtype=p.dtype) for n in p.shape]
        state["roots"] = [torch.eye(n, dtype=p.dtype) for n in p.shape]

    def update(self, state, g, group, p):
        update = g
        for k, side in enumerate(state["sides"]):
            first = self.unfolded_along_the_first and g.ndim > 2
            rows = g.movedim(0 if first else k, 0).reshape(g.size(k), -1)
            side.addmm_(rows, rows.T)
            if self.always or state["t"] % self.every == 0:
                values, basis = torch.linalg.eigh(torch.diag(side.diagonal()) if self.diagonal else side)
                power = self.order or 0.5 / g.ndim
                state["roots"][k] = basis @ torch.diag(values.clamp(min=1e-12) ** -power) @ basis.T
            if not self.ignored:
                update = torch.tensordot(update, state["roots"][k], dims=([0], [0]))
        return group["lr"] * update


class Lars(Base):
    squared = flat = stuck = False

    def update(self, state, g, group, p):
        ratio = p.norm() / (g.norm() ** (2 if self.squared else 1))
        if not self.stuck:
            ratio = torch.where(p.norm() > 0, ratio, torch.ones_like(ratio))
        return group["lr"] * (1 if self.flat else ratio) * g


class Distance(prodigyopt.Prodigy):
    """Prodigy, with its estimate as `worse` leaves it after a step."""

    steps = 0

    def worse(self, d, d0):
        return d

    def step(self, closure=None):
        loss = super().step(closure)
        self.steps += 1
        for group in self.param_groups:
            group["d"] = self.worse(group["d"], group["d0"])
        return loss


class Average(schedulefree.SGDScheduleFree):
    drift = 0.0
    forgets = False

    @torch.no_grad()
    def eval(self):
        changes = self.param_groups[0]["train_mode"]
        super().eval()
        for p in self.param_groups[0]["params"] if changes else ():
            p.add_(self.drift)

    def state_dict(self):
        state = super().state_dict()
        if self.forgets:
            for group in state["param_groups"]:
                group["train_mode"] = True
        return state


def faulty(base, **attributes):
    return type("Faulty", (base,), attributes)


@pytest.mark.parametrize(
    ("family", "optimizer"),
    [
        ("adam_like", Adam),
        ("sgd_like", Momentum),
        ("sgd_like", Sutskever),
        ("sign_like", faulty(Momentum, signed=True)),
        ("lion_like", Lion),
        ("adagrad_like", Adagrad),
        ("matrix_orthogonal", Polar),
        ("kronecker_preconditioned", Shampoo),
        ("scale_adaptive", Lars),
        ("parameter_free", Distance),
        ("schedule_free", Average),
    ],
)
def test_the_frames_of_the_faults_are_sound(family, optimizer):
    assert faults(optimizer, family=family, claims=CLAIMS.get(family, {})) == {}


CLAIMS = {"matrix_orthogonal": {"no_ndim": [0, 1, 3, 4]}}


@pytest.mark.parametrize(
    ("family", "optimizer", "check", "fault"),
    [
        (
            "adam_like",
            faulty(Adam, correct1=False),
            "adam_first_step",
            "after the first step from zero, tensor 0 (4x3)",
        ),
        ("adam_like", faulty(Adam, correct2=False), "adam_constant_gradient", "after 2 steps of a constant gradient"),
        ("adam_like", faulty(Adam, swapped=True), "adam_impulse_response", "1 zero gradient after a gradient of 1"),
        ("adam_like", faulty(Adam, capped=True), "adam_loss_scale", "with gradients scaled by 0.00012207"),
        ("adam_like", faulty(Adam, inside=True), "adam_eps", "after 1 step with eps=0.5"),
        ("adam_like", faulty(Adam, early=True), "adam_eps", "after 1 step with eps=0.5"),
        ("adam_like", faulty(Adam, forgetful=True), "adam_forgets_at_beta2", "4 steps after a gradient of 1000"),
        ("sgd_like", faulty(Momentum, averaged=True), "sgd_constant_gradient", "after step 1 of a constant gradient"),
        ("sgd_like", faulty(Momentum, reversed=True), "sgd_impulse_response", "after step 1 of an impulse"),
        ("sgd_like", faulty(Momentum, late=True), "sgd_impulse_response", "after step 2 of an impulse"),
        ("sgd_like", faulty(Momentum, clipped=True), "sgd_superposition", "the sum of two sequences of gradients"),
        ("sgd_like", faulty(Momentum, signed=True), "sgd_rotation", "after 6 steps, all rotated"),
        ("sign_like", Momentum, "sign_step_is_lr", "moved by neither lr nor 0: by"),
        ("sign_like", Momentum, "sign_constant_gradient", "after 1 step of a constant gradient"),
        ("sign_like", Momentum, "sign_scale_invariance", "with gradients scaled by"),
        ("lion_like", faulty(Lion, soft=True), "sign_scale_invariance", "with gradients scaled by 9.53674e-07"),
        ("lion_like", faulty(Lion, size=2.0), "sign_step_is_lr", "by 0.02, expected 0.01"),
        ("lion_like", faulty(Lion, before=True), "lion_momentum_after_step", "in step 2, along a gradient of"),
        ("lion_like", faulty(Lion, single=True), "lion_momentum_fades", "in step 22, along a gradient of"),
        ("adagrad_like", faulty(Adagrad, averaged=True), "adagrad_constant_gradient", "after step 2 along a constant"),
        ("adagrad_like", faulty(Adagrad, decays=True), "adagrad_never_forgets", "ones after a gradient of 100"),
        ("matrix_orthogonal", faulty(Polar, halfway=True), "orthogonal_update", "8x8 matrix has singular values from"),
        ("matrix_orthogonal", faulty(Polar, rows=True), "orthogonal_equivariance", "rotated on both sides, is off by"),
        ("matrix_orthogonal", faulty(Polar, mixed=True), "orthogonal_shape_factor", "expected (1, 1) [none] or (1.73"),
        ("matrix_orthogonal", faulty(Polar, coarse=True), "orthogonal_precision", "claim low_precision_step"),
        ("matrix_orthogonal", faulty(Polar, slanted=True), "orthogonal_momentum", "0.9 to the power of its age"),
        (
            "kronecker_preconditioned",
            faulty(Shampoo, order=0.25),
            "kronecker_exponents",
            "of 2x2x2x2 whose gradients are 2^10 times as large is off by",
        ),
        (
            "kronecker_preconditioned",
            faulty(Shampoo, unfolded_along_the_first=True),
            "kronecker_every_side",
            "of 3x3x3 whose gradients are rotated on all sides is off by",
        ),
        (
            "kronecker_preconditioned",
            faulty(Shampoo, diagonal=True),
            "kronecker_equivariance",
            "step 1 of a 4x4 matrix",
        ),
        ("kronecker_preconditioned", faulty(Shampoo, diagonal=True), "kronecker_full_matrix", "has a cosine of 0."),
        (
            "kronecker_preconditioned",
            faulty(Shampoo, ignored=True),
            "kronecker_whitens",
            "times as large in directions",
        ),
        ("kronecker_preconditioned", faulty(Shampoo, order=-0.25), "kronecker_whitens", "times as large in directions"),
        (
            "kronecker_preconditioned",
            faulty(Shampoo, update=lambda self, *a: Shampoo.update(faulty_interval(self), *a)),
            "kronecker_refresh_interval",
            "with precondition_frequency=5 in place of precondition_frequency=7",
        ),
        ("kronecker_preconditioned", faulty(Shampoo, always=True), "kronecker_refresh_interval", "has no effect"),
        ("scale_adaptive", faulty(Lars, squared=True), "scale_reparametrization", "after 5 steps in units of 0.5"),
        ("scale_adaptive", faulty(Lars, flat=True), "scale_reparametrization", "after 5 steps in units of 0.5"),
        ("scale_adaptive", faulty(Lars, stuck=True), "scale_of_zero", "3 steps from zero left 12 of the 12 entries"),
        (
            "parameter_free",
            faulty(Distance, worse=lambda self, d, d0: d0 if self.steps == 40 else d),
            "estimate_never_decreases",
            "it may only grow",
        ),
        (
            "parameter_free",
            faulty(Distance, worse=lambda self, d, d0: min(d, 1e4 * d0)),
            "estimate_forgets_its_start",
            "from d0=1e-5; expected the same within a factor of 3",
        ),
        (
            "parameter_free",
            faulty(Distance, worse=lambda self, d, d0: d0),
            "estimate_forgets_its_start",
            "took the estimate d from 1e-06 to 1e-06 only",
        ),
        ("schedule_free", faulty(Average, drift=1e-3), "schedule_free_average", "in eval mode after step 1"),
        ("schedule_free", faulty(Average, drift=1e-3), "schedule_free_round_trip", "after 20 times eval() and train()"),
        ("schedule_free", faulty(Average, forgets=True), "schedule_free_resume", "in step 6, saved in eval mode"),
    ],
)
def test_a_fault_is_found_and_named(family, optimizer, check, fault):
    found = faults(optimizer, only=check, family=family, claims=CLAIMS.get(family, {}))
    assert fault in found.get(check, "it held")


def faulty_interval(shampoo):
    """Refreshes at half of the interval."""
    shampoo.every = max(1, shampoo.every if shampoo.every < 4 else shampoo.every - 3)
    return shampoo


def test_another_rule_for_the_shape_than_the_claimed_one_is_found():
    claims = {**CLAIMS["matrix_orthogonal"], "shape_factor": "none"}
    found = faults(Polar, only="orthogonal_shape_factor", family="matrix_orthogonal", claims=claims)
    assert "expected (1, 1) [none]" in found["orthogonal_shape_factor"]
    assert "1.732 for 24x8" in found["orthogonal_shape_factor"]
