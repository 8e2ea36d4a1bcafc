"""sparse: equal to dense, lazy where that is claimed, or refused."""

from __future__ import annotations

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts


def rows(p, g, state, group):
    """Only rows that are listed move."""
    if not g.is_sparse:
        raise ValueError("gradients must be sparse")
    g = g.coalesce()
    p.index_add_(0, g.indices()[0], g.values(), alpha=-group["lr"])


def last_counts(p, g, state, group):
    if not g.is_sparse:
        return plain(p, g, state, group)
    p[g._indices()[0]] -= group["lr"] * g._values()
    return None


def needs_a_row(p, g, state, group):
    g = g.coalesce()
    p.sub_(group["lr"] * g.to_dense() * g.values().abs().max() / g.values().abs().max())


def forgets(p, g, state, group):
    m = state.setdefault("m", torch.zeros_like(p))
    m.mul_(0.9).add_(g)
    p.sub_(group["lr"] * m)


def dense_only(p, g, state, group):
    if g.is_sparse:
        raise RuntimeError("sparse gradients are not supported")
    normalized(p, g, state, group)


def unclear(p, g, state, group):
    if g.is_sparse:
        raise KeyError("strides")


@pytest.mark.parametrize(("move", "claims"), [(plain, {}), (forgets, {}), (dense_only, {})])
def test_sound_ones(move, claims) -> None:
    made = optimizer_of(move, betas=(0.9, 0.99)) if move is dense_only else optimizer_of(move)
    assert verdicts(made, "sparse", claims=claims) == {"float32": "", "float64": ""}


def test_torch_itself() -> None:
    both = {"sparse_only": True, "lazy_sparse": True}
    assert set(verdicts(torch.optim.SparseAdam, "sparse", claims=both).values()) == {""}
    for kind in (torch.optim.SGD, torch.optim.Adagrad, torch.optim.AdamW):
        assert set(verdicts(kind, "sparse").values()) == {""}


@pytest.mark.parametrize(
    ("move", "claims", "words"),
    [
        (last_counts, {}, "against the same gradients made dense, tensor 0 (6x3)"),
        (needs_a_row, {}, "RuntimeError: max()"),
        (unclear, {}, "a sparse gradient raised KeyError"),
        (forgets, {"lazy_sparse": True}, "in sparse step 2, row 0, which has no gradient"),
        (plain, {"sparse_only": True}, "a dense gradient raised nothing"),
        (rows, {"sparse_only": True}, ""),
    ],
)
def test_what_it_says(move, claims, words) -> None:
    said = verdicts(optimizer_of(move), "sparse", claims=claims)["float64"]
    assert words in said
    assert bool(words) == bool(said)
