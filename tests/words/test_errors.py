"""Errors: sentences that help."""

from __future__ import annotations

import pytest

from pytest_optbench.words.errors import OptbenchError, encodable, nearest, require_known


@pytest.mark.parametrize(
    ("name", "valid", "hint"),
    [
        ("rosenbrok2", ["rosenbrock2", "schaul_cliff"], "; did you mean 'rosenbrock2'?"),
        ("betas", ["lr", "eps"], "; valid are eps, lr"),
        ("anything", [], ""),
        ("", ["lr"], "; valid are lr"),
    ],
)
def test_nearest(name, valid, hint):
    assert nearest(name, valid) == hint


def test_a_known_name_is_no_error():
    require_known("lr", iter(["lr", "eps"]), where="here", what="key")


def test_an_unknown_name_is_told_with_its_place_and_the_nearest():
    with pytest.raises(OptbenchError, match=r"^here: unknown key 'lrr'; did you mean 'lr'\?$"):
        require_known("lrr", ["lr", "eps"], where="here", what="key")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("plain é", "plain é"),
        ("lone \udc80", "lone \\udc80"),
        ([("\ud800", 1.5)], [("\\ud800", 1.5)]),
        ({"\udfff": {"a": None}}, {"\\udfff": {"a": None}}),
    ],
)
def test_what_has_no_bytes_is_spelled_out(value, told):
    assert encodable(value) == told
