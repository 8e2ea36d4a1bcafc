"""Checks of dtypes and of counters."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts

CHECKS = ("bf16", "float64_kept", "mixed_dtypes", "complex", "step_counters")


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_optimizer(check) -> None:
    said = verdicts(optimizer_of(normalized), check)
    assert said
    assert set(said.values()) == {""}


def becomes_float32(p, g, state, group):
    p.data = p.data.float() - group["lr"] * g.float()


def overwritten(p, g, state, group):
    """Meant to work on a cast copy, which in float32 and float64 is one and in bfloat16 is not."""
    m = state.setdefault("m", torch.zeros_like(p))
    m.mul_(0.9).add_(g)
    work = m if m.dtype == torch.bfloat16 else m.clone()
    work.div_(work.norm() + 1e-8)
    p.sub_(group["lr"] * work)


class Unsupported(Exception):
    pass


def overflows(p, g, state, group):
    p.sub_(group["lr"] * (g * 1e5) / 1e5)


def coarse_state(p, g, state, group):
    m = state.setdefault("m", torch.zeros(p.shape))
    m.mul_(0.9).add_(g)
    p.sub_(group["lr"] * m)


def coarse_step(p, g, state, group):
    p.copy_(p.float() - group["lr"] * g.float())


def of_the_first():
    first = []

    def move(p, g, state, group):
        first.append(p.dtype)
        p.sub_((group["lr"] * g).to(group.setdefault("dtype", p.dtype)).to(p.dtype))

    return move


def squares(p, g, state, group):
    v = state.setdefault("v", torch.zeros_like(p))
    v.mul_(0.9).addcmul_(g, g, value=0.1)
    p.sub_(group["lr"] * g / (v.sqrt() + 1e-8))


def real_only(p, g, state, group):
    p.sub_(group["lr"] * g.real)


@pytest.mark.parametrize(
    ("move", "check", "part", "words"),
    [
        (becomes_float32, "bf16", "", "in bfloat16, tensor 0 is torch.float32"),
        (overwritten, "bf16", "", "state 'm' of tensor 0 differs from the float64 run by"),
        (overflows, "fp16", "", "entries that are not finite"),
        (coarse_state, "float64_kept", "", "state 'm' of tensor 0 is torch.float32, its parameter torch.float64"),
        (coarse_step, "float64_kept", "", "every entry of float64 tensor 0 is a float32 number"),
        (of_the_first(), "mixed_dtypes", "", "the float64 parameter of a mixed group against itself alone"),
        (squares, "complex", "float32", "as real and imaginary parts, tensor 0"),
        (real_only, "complex", "float64", "the imaginary part of tensor 0 has not moved"),
    ],
)
def test_a_dtype_that_was_not_thought_of(move, check, part, words) -> None:
    assert words in verdicts(optimizer_of(move), check)[part]


def complex_sign(p, g, state, group):
    p.sub_(group["lr"] * torch.sgn(g))


def test_a_complex_sign_is_sound() -> None:
    assert set(verdicts(optimizer_of(complex_sign), "complex").values()) == {""}


def refuses(*dtypes, error=ValueError):
    def move(p, g, state, group):
        if p.dtype in dtypes:
            raise error(f"{p.dtype} is not supported")
        plain(p, g, state, group)

    return move


@pytest.mark.parametrize(
    ("dtype", "check", "claim"),
    [
        (torch.bfloat16, "bf16", "no_bf16"),
        (torch.float64, "float64_kept", "no_fp64"),
        (torch.complex64, "complex", "no_complex"),
    ],
)
def test_what_is_claimed_not_to_work_must_raise_a_clear_error(dtype, check, claim) -> None:
    claims = {claim: True, **({"no_fp64": True} if claim == "no_complex" else {})}
    assert set(verdicts(optimizer_of(refuses(dtype)), check, claims=claims).values()) == {""}
    own = verdicts(optimizer_of(refuses(dtype, error=Unsupported)), check, claims=claims)
    assert set(own.values()) == {""}
    unclear = next(iter(verdicts(optimizer_of(refuses(dtype, error=KeyError)), check, claims=claims).values()))
    assert "KeyError" in unclear
    stale = next(iter(verdicts(optimizer_of(plain), check, claims=claims).values()))
    assert "out of date" in stale


def test_float16_is_not_tried_with_an_eps_that_is_zero_there() -> None:
    assert verdicts(optimizer_of(normalized), "fp16") == {}
    assert verdicts(optimizer_of(normalized, eps=1e-4), "fp16") == {"": ""}
    assert verdicts(optimizer_of(overflows), "fp16", claims={"no_fp16": True}) == {}


def counting(make, key="step"):
    def move(p, g, state, group):
        state[key] = state.get(key, make(0)) + 1
        plain(p, g, state, group)

    return optimizer_of(move)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (counting(int), ""),
        (counting(lambda n: torch.tensor(float(n), dtype=torch.float32)), ""),
        (counting(lambda n: torch.tensor(float(n))), "state['step'] went from 256 to 256.0; expected 20 more"),
        (counting(lambda n: torch.tensor(float(n), dtype=torch.float32), key="t"), "resumed at 300"),
        (
            counting(lambda n: torch.tensor(n, dtype=torch.uint8)),
            "in step 256 the counter state['step'] falls from 255",
        ),
    ],
)
def test_counters(optimizer, words) -> None:
    said = verdicts(optimizer, "step_counters")[""]
    assert words in said
    assert bool(words) == bool(said)


def test_torch_muon_without_nesterov_writes_to_its_momentum_in_bfloat16() -> None:
    said = verdicts(torch.optim.Muon, "bf16", nesterov=False)[""]
    assert "state 'momentum_buffer' of tensor 0 differs" in said
    assert verdicts(torch.optim.Muon, "bf16") == {"": ""}
