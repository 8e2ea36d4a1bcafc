"""Sparse: gradients with a few rows do what the same gradients with all of them do."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import refused, require, require_close, require_equal, require_finite
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk, normal

ROWS: tuple[tuple[int, ...], ...] = ((0, 3, 3), (1,), (), (3, 0), (5, 5, 5))
"""Rows with a gradient in each step; one that is listed twice has two contributions, as from an embedding."""
SHAPE = (6, 3)
UNTOUCHED = (2, 4)


@check(applies=lambda subject: subject.accepts(2))
def sparse(subject: Subject) -> None:
    """Sparse gradients act like the dense ones that they stand for, or are refused with a clear error.

    Prevents: entries of a row that is listed twice counted once, a step on a gradient without any row that divides by
    zero, moments that only the touched rows forget without anybody having said so. Criterion: 5 steps of an embedding
    of 6 rows, with rows listed twice and one step without any, are close to those along the same gradients made dense.
    Under `lazy_sparse` or `sparse_only` instead: rows without a gradient keep their bits, the others move and stay
    finite; under `sparse_only` a dense gradient must raise a clear error. Otherwise a clear error in building or in the
    first step is an answer. Tolerance: rtol 1e-5, atol 1e-6 in float32, 1e-10 and 1e-12 in float64: sums in another
    order.
    """
    unchecked = torch.sparse.check_sparse_tensor_invariants(False)  # type: ignore[no-untyped-call]
    with unchecked:  # where nothing is said about it, torch warns
        _sparse(subject)


def _sparse(subject: Subject) -> None:
    lazy = subject.claimed("lazy_sparse") or subject.claimed("sparse_only")
    if subject.claimed("sparse_only"):
        walk = Walk(subject, shapes=[SHAPE])
        walk.parameters[0].grad = torch.ones_like(walk.parameters[0])
        require(
            refused(walk.optimizer.step, "a dense gradient"),
            "a dense gradient raised nothing, and the claim sparse_only says that it does: it is out of date",
        )
    if lazy:
        _lazily(subject)
        return
    taken: list[Walk] = []

    def first_step() -> None:
        taken.append(Walk(subject, shapes=[SHAPE], gradient=_Rows(subject)).take(1))

    if refused(first_step, "a sparse gradient"):
        return
    taken[0].take(len(ROWS) - 1)
    rows = _Rows(subject)
    dense = Walk(subject, shapes=[SHAPE], gradient=lambda t, index, p: rows(t, index, p).to_dense()).take(len(ROWS))
    rtol, atol = (1e-5, 1e-6) if subject.dtype == torch.float32 else (1e-10, 1e-12)
    when = f"after {len(ROWS)} steps along sparse gradients, against the same gradients made dense"
    require_close(taken[0].values(), dense.values(), rtol=rtol, atol=atol, when=when)


def _lazily(subject: Subject) -> None:
    walk = Walk(subject, shapes=[SHAPE], gradient=_Rows(subject))
    for t, rows in enumerate(ROWS, start=1):
        before = walk.values()[0]
        walk.step()
        after = walk.values()[0]
        require_finite([after], when=f"after sparse step {t}")
        for row in range(SHAPE[0]):
            if row not in rows:
                when = f"in sparse step {t}, row {row}, which has no gradient"
                require_equal([after[row]], [before[row]], when=when)
            else:
                moved = not torch.equal(after[row], before[row])
                require(moved, f"sparse step {t} did not move row {row}, which has a gradient")


class _Rows:
    """Sparse gradients with the rows of `ROWS`."""

    def __init__(self, subject: Subject) -> None:
        self.seed = subject.seed

    def __call__(self, t: int, index: int, parameter: Tensor) -> Tensor:
        rows = ROWS[t % len(ROWS)]
        values = normal(self.seed, "rows", t, index, shape=(len(rows), SHAPE[1])).to(parameter, copy=True)
        place = torch.tensor([rows], dtype=torch.long, device=parameter.device).reshape(1, len(rows))
        return torch.sparse_coo_tensor(place, values, SHAPE, check_invariants=False)
