"""Checks of shapes and layouts."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts

CHECKS = ("zero_dim", "size_one", "matrix_and_conv", "empty_parameter", "memory_layout")


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_optimizer(check) -> None:
    said = verdicts(optimizer_of(normalized), check)
    assert said
    assert set(said.values()) == {""}


def skips_scalars(p, g, state, group):
    if p.ndim:
        plain(p, g, state, group)


def indexes(p, g, state, group):
    plain(p, g * g.shape[0] / g.shape[0], state, group)


def centred(p, g, state, group):
    plain(p, g - g.mean(), state, group)


def deviates(p, g, state, group):
    plain(p, g / g.std(correction=0), state, group)


def rows_only(p, g, state, group):
    plain(p, g.reshape(p.shape[0], -1)[: p.shape[-1]].reshape(p.shape) if p.ndim == 2 else g, state, group)


def volumes_stay(p, g, state, group):
    if p.ndim < 5:
        plain(p, g, state, group)


def per_element(p, g, state, group):
    plain(p, g * (1 / p.numel()), state, group)


def spreads_nan(p, g, state, group):
    if not p.numel():
        group["mean"] = g.mean()
    plain(p, g + group.get("mean", 0.0), state, group)


def in_storage_order(p, g, state, group):
    flat = p.as_strided((p.numel(),), (1,))
    flat.sub_(group["lr"] * g.as_strided((g.numel(),), (1,)))


@pytest.mark.parametrize(
    ("move", "check", "part", "words"),
    [
        (skips_scalars, "zero_dim", "", "9 steps did not move tensor 0 []"),
        (indexes, "zero_dim", "", "IndexError"),
        (centred, "size_one", "1x1", "9 steps did not move tensor 0 [1, 1]"),
        (deviates, "size_one", "1", "not finite"),
        (rows_only, "matrix_and_conv", "7x3", "RuntimeError: shape"),
        (volumes_stay, "matrix_and_conv", "3x2x2x2x2", "did not move tensor 0 [3, 2, 2, 2, 2]"),
        (per_element, "empty_parameter", "0", "ZeroDivisionError"),
        (spreads_nan, "empty_parameter", "0x3", "tensor 0 (4x3) has 12 entries that are not finite"),
        (in_storage_order, "memory_layout", "parameters", "after 6 steps with parameters in another layout"),
        (in_storage_order, "memory_layout", "gradients", "after 6 steps with gradients in another layout"),
    ],
)
def test_a_shape_that_was_not_thought_of(move, check, part, words) -> None:
    assert words in verdicts(optimizer_of(move), check)[part]


class MatricesOnly(torch.optim.SGD):
    error: type[Exception] = ValueError

    def __init__(self, params, lr=0.1):
        params = list(params)
        if any(p.ndim != 2 for p in params):
            raise self.error("matrices only")
        super().__init__(params, lr)


class Unclear(MatricesOnly):
    error = KeyError


def test_a_refusal_at_construction_is_an_answer_if_it_is_clear() -> None:
    for claims in ({}, {"no_ndim": [0, 1, 3, 4]}):
        assert verdicts(MatricesOnly, "zero_dim", claims=claims) == {"": ""}
        assert set(verdicts(MatricesOnly, "matrix_and_conv", claims=claims)) == {"7x3", "3x7", "4x3x3x3"}
    assert "KeyError" in verdicts(Unclear, "zero_dim")[""]


def test_a_claim_to_refuse_that_is_out_of_date() -> None:
    said = verdicts(optimizer_of(plain), "zero_dim", claims={"no_ndim": [0]})
    assert "raised nothing, and the claim no_ndim says that it does" in said[""]
    said = verdicts(optimizer_of(plain), "empty_parameter", claims={"no_empty": True})
    assert "no_empty" in said["0"]


def refuses_empty(p, g, state, group):
    if not p.numel():
        raise ValueError("a parameter without elements")
    plain(p, g, state, group)


def test_an_empty_parameter_may_be_refused_clearly() -> None:
    assert verdicts(optimizer_of(refuses_empty), "empty_parameter", claims={"no_empty": True})["0"] == ""
    assert "ZeroDivisionError" in verdicts(optimizer_of(per_element), "empty_parameter", claims={"no_empty": True})["0"]


def test_adafactor_on_an_empty_parameter() -> None:
    assert "ZeroDivisionError" in verdicts(torch.optim.Adafactor, "empty_parameter")["0"]
