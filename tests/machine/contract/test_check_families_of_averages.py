"""Checks of RMSprop, RAdam, NAdam and Adafactor: torch's own pass, and one slip fails with a sentence that names it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from moves import optimizer_of
from verdicts import faults, verdicts

UP = {"up": {"maximize": True}}
RMSPROP = {
    "both": {"centered": True, "momentum": 0.9, "maximize": True},
    "short": {"alpha": 0.5, "centered": True, "lr": 0.3},
}
SHORT = {"short": {"betas": (0.8, 0.9), "lr": 0.3}, "none": {"betas": (0.5, 0.6)}}
ADAFACTOR = {"loose": {"d": 2.0, "beta2_decay": -0.5, "lr": 0.5, "maximize": True}}


@pytest.mark.parametrize(
    ("optimizer", "family", "configurations", "checks"),
    [
        (torch.optim.RMSprop, "rmsprop_like", RMSPROP, 3),
        (torch.optim.RAdam, "radam_like", {**UP, **SHORT}, 3),
        (torch.optim.NAdam, "nadam_like", {**UP, "quick": {"betas": (0.8, 0.9), "momentum_decay": 0.5}}, 4),
        (torch.optim.Adafactor, "adafactor_like", ADAFACTOR, 3),
    ],
)
def test_a_member_passes_all_checks_of_its_family(optimizer, family, configurations, checks):
    found = verdicts(optimizer, family=family, configurations=configurations)
    assert {name: said for name, said in found.items() if said} == {}
    assert len({name.split("::")[1] for name in found}) == checks


def rmsprop(p, g, state, group, slip=""):
    v = state.setdefault("v", torch.full_like(p, float(slip == "ones")))
    m = state.setdefault("m", torch.zeros_like(p))
    velocity = state.setdefault("velocity", torch.zeros_like(p))
    v.lerp_(g * g, 1 - group["alpha"] if slip != "swapped" else group["alpha"])
    m.lerp_(g, 1 - group["alpha"])
    if slip == "grows":
        v.copy_(torch.maximum(v, state.setdefault("most", v.clone())))
        state["most"] = v.clone()
    variance = v - m * m if group["centered"] and slip != "off" else v
    root = (variance + group["eps"]).sqrt() if slip == "inside" else variance.sqrt() + group["eps"]
    velocity.mul_(group["momentum"]).add_(g / root, alpha=1 - group["momentum"] if slip == "averaged" else 1)
    p.sub_(velocity, alpha=group["lr"])


def radam(p, g, state, group, slip="", above=5):
    (one, two), t = group["betas"], state.get("t", 0) + 1
    state["t"] = t
    m, v = (state.setdefault(name, torch.zeros_like(p)) for name in "mv")
    m.lerp_(g, 1 - (two if slip == "swapped" else one))
    v.copy_(two * v * (slip != "resets") + (1 - two) * g * g)
    corrected = m if slip == "uncorrected" else m / (1 - one**t)
    longest = 2 / (1 - two) - 1
    rho = longest - 2 * t * two**t / (1 if slip == "length" else 1 - two**t)
    if rho <= above:
        p.sub_(corrected, alpha=group["lr"] * (slip != "waits"))
        return
    share = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
    v = v / (1 - two**t)
    root = (v + group["eps"]).sqrt() if slip == "inside" else v.sqrt() + group["eps"]
    p.sub_(corrected / root, alpha=group["lr"] * share ** (-0.5 if slip == "upside down" else 0.5))


def nadam(p, g, state, group, slip=""):
    (one, two), t = group["betas"], state.get("t", 0) + 1
    state["t"] = t
    m, v = (state.setdefault(name, torch.zeros_like(p)) for name in "mv")
    m.lerp_(g, 1 - one)
    v.lerp_(g * g, 1 - two)
    mu, after = (one * (1 - 0.5 * 0.96 ** (k * group["momentum_decay"])) for k in (t, t + (slip != "present")))
    state["product"] = mu * (state.get("product", 1.0) if slip != "forgets" else 1.0)
    share = one if slip == "fixed" else mu
    mixture = (1 - share) / (1 - state["product"]) * g
    if slip != "no look-ahead":
        mixture = mixture + after / (1 - state["product"] * after) * m
    root = v.sqrt() + group["eps"] if slip == "early" else (v / (1 - two**t)).sqrt() + group["eps"]
    p.sub_(mixture / root, alpha=group["lr"])


def adafactor(p, g, state, group, slip=""):
    state["t"] = t = state.get("t", 0) + 1
    weight = (t + (slip == "late")) ** -0.8
    if p.ndim > 1:
        total = torch.sum if slip == "sums" else torch.mean
        rows, columns = (state.setdefault(k, torch.zeros_like(total(g, k, keepdim=True))) for k in (-1, -2))
        if slip != "stands":
            rows.lerp_((g * g).mean(-1, keepdim=True), weight)
        columns.lerp_(total(g * g, -2, keepdim=True), weight)
        mean = rows.mean() if slip == "all" else rows.mean(-2, keepdim=True)
        v = rows * columns / mean.clamp(min=1e-30)
    else:
        v = state.setdefault("v", torch.zeros_like(p))
        v.lerp_(g * g, weight)
    update = g / v.clamp(min=1e-30).sqrt()
    excess = update.square().mean().sqrt() * (group["d"] if slip == "times" else 1 / group["d"])
    p.sub_(update / (1 if slip == "free" else excess.clamp(min=1)), alpha=group["lr"])


OPTIONS = {
    rmsprop: {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
    radam: {"betas": (0.9, 0.999), "eps": 1e-8},
    nadam: {"betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 4e-3},
    adafactor: {"d": 1.0},
}


def made(move, **slips):
    return optimizer_of(partial(move, **slips), **OPTIONS[move])


@pytest.mark.parametrize("move", OPTIONS)
def test_the_frames_of_the_faults_are_sound(move):
    assert faults(made(move), family=f"{move.__name__}_like") == {}


@pytest.mark.parametrize(
    ("move", "slip", "options", "check", "fault"),
    [
        (rmsprop, "ones", {}, "rmsprop_constant_gradient", "after step 1 along a constant gradient, tensor 0"),
        (rmsprop, "off", {"centered": True}, "rmsprop_constant_gradient", "after step 1 along a constant gradient"),
        (rmsprop, "averaged", {"momentum": 0.9}, "rmsprop_constant_gradient", "after step 1 along a constant"),
        (rmsprop, "swapped", {}, "rmsprop_forgets_at_alpha", "after step 1 along ones after a gradient of 100"),
        (rmsprop, "grows", {"alpha": 0.5}, "rmsprop_forgets_at_alpha", "after step 2 along ones after a gradient"),
        (rmsprop, "inside", {}, "rmsprop_eps", "along gradients of 0.1, 1 and 10 with eps=0.5"),
        (radam, "uncorrected", {}, "radam_constant_gradient", "after step 1 along a constant gradient"),
        (radam, "waits", {}, "radam_constant_gradient", "after step 1 along a constant gradient"),
        (radam, "length", {}, "radam_constant_gradient", "after step 1 along a constant gradient"),
        (radam, "upside down", {}, "radam_constant_gradient", "after step 6 along a constant gradient"),
        (radam, "swapped", {}, "radam_impulse_response", "after one of 8, with betas (0.9, 0.999)"),
        (radam, "resets", {}, "radam_impulse_response", "after step 6 along gradients of 0.25 after one of 8"),
        (radam, "inside", {}, "radam_eps", "after step 6 along gradients of 0.1, 1 and 10 with eps=0.5"),
        (nadam, "forgets", {}, "nadam_constant_gradient", "after step 2 along a constant gradient"),
        (nadam, "fixed", {}, "nadam_constant_gradient", "after step 1 along a constant gradient"),
        (nadam, "no look-ahead", {}, "nadam_impulse_response", "after step 1 along zero gradients"),
        (nadam, "present", {}, "nadam_momentum_schedule", "with momentum_decay=4, tensor 0"),
        (nadam, "early", {}, "nadam_eps", "after step 1 along gradients of 0.1, 1 and 10 with eps=0.5"),
        (adafactor, "sums", {}, "adafactor_rank_one", "after step 1 along a constant gradient of rank one"),
        (adafactor, "all", {}, "adafactor_rank_one", "tensor 3 (2x3x2x2)"),
        (adafactor, "stands", {}, "adafactor_second_moment", "after step 1 along seeded gradients"),
        (adafactor, "late", {}, "adafactor_second_moment", "along seeded gradients, tensor"),
        (adafactor, "times", {}, "adafactor_clipping", "every third 10 times as large, with d=1.25"),
        (adafactor, "free", {}, "adafactor_clipping", "every third 10 times as large, with d=1.25"),
    ],
)
def test_a_slip_is_found_and_named(move, slip, options, check, fault):
    found = faults(made(move, slip=slip), only=check, family=f"{move.__name__}_like", **options)
    assert fault in found.get(check, "it held")


def test_a_radam_may_claim_the_threshold_of_the_paper():
    keywords = {"only": "radam_constant_gradient", "family": "radam_like"}
    assert "after step 5" in faults(made(radam, above=4), **keywords)["radam_constant_gradient"]
    assert faults(made(radam, above=4), claims={"rectified_above": 4}, **keywords) == {}


def test_an_eps_elsewhere_may_be_claimed():
    assert (
        faults(made(rmsprop, slip="inside"), only="rmsprop_eps", family="rmsprop_like", claims={"eps_other": True})
        == {}
    )


def test_adafactors_step_may_be_in_proportion_to_the_parameter_or_not():
    class Unscaled(torch.optim.Adafactor):
        """Says that its steps do not follow the parameter, and they do."""

        def __init__(self, params, lr=1e-2, scale_parameter=False, d=1.0):
            super().__init__(params, lr, d=d)

    found = faults(Unscaled, only="adafactor_rank_one", family="adafactor_like")
    assert "after step 1 along a constant gradient of rank one" in found["adafactor_rank_one"]
