"""moves_and_descends: everything moves, and down, unless the recipe asks for the way up."""

from __future__ import annotations

import pytest
import torch
from moves import optimizer_of, verdicts


def uphill(p, g, state, group):
    p.add_(g, alpha=group["lr"])


def first_row(p, g, state, group):
    p.view(-1)[:1].sub_(g.reshape(-1)[:1], alpha=group["lr"])


class ClimbsUnasked(torch.optim.SGD):
    def __init__(self, params, lr=1e-2, maximize=True):
        super().__init__(params, lr=lr, maximize=maximize)


@pytest.mark.parametrize("maximize", [False, True])
def test_the_way_that_the_recipe_asks_for_is_right(maximize):
    assert set(verdicts(ClimbsUnasked, "moves_and_descends", maximize=maximize).values()) == {""}


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (optimizer_of(uphill), "60 steps on the sum of squares led from"),
        (ClimbsUnasked, "60 steps on the sum of squares led from"),
        (optimizer_of(first_row), "eight steps changed 1 of the 12 entries of tensor 0 (4, 3); expected at least half"),
    ],
)
def test_one_that_does_not_is_found(optimizer, words):
    assert words in verdicts(optimizer, "moves_and_descends")["float32"]
