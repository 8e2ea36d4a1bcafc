"""Rank correlation: Kendall's tau-b against pairs counted by hand, and sentences that say no more than the numbers."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from results import entry

from pytest_optbench.analysis.board import boards
from pytest_optbench.analysis.categories import TaskFacts
from pytest_optbench.analysis.correlation import correlations, kendall, middle_ranks, paragraph

TASKS = {"bowl": TaskFacts(1, "unit", frozenset()), "net": TaskFacts(1, "small", frozenset())}


def ranked(first, second, **changes):
    """Entries with these scores on the one task of each tier."""
    found = []
    for k, (one, other) in enumerate(zip(first, second, strict=True)):
        unit = entry(f"E{k}", {"bowl": [one] * 4}, **changes)
        small = entry(f"E{k}", {"net": [other] * 4}, tier="small", **changes)
        found.append(replace(unit, cases={**unit.cases, **small.cases}))
    return correlations(boards(found, tasks=TASKS))


def by_pairs(x, y):
    agree = up = down = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2):
        agree += np.sign(a - c) * np.sign(b - d)
        up += a != c
        down += b != d
    return agree / math.sqrt(up * down)


@pytest.mark.parametrize("seed", range(4))
def test_tau_is_that_of_the_pairs(seed):
    x, y = np.random.default_rng(seed).integers(0, 6, size=(2, 15)).astype(float)
    assert kendall(x, y) == pytest.approx([by_pairs(x, y)])


def test_tau_of_a_replicate_is_that_of_the_values_drawn():
    x, y = np.random.default_rng(0).uniform(size=(2, 8))
    counts = np.array([2, 0, 1, 3, 0, 1, 1, 0])
    assert kendall(x, y, counts[None]) == pytest.approx([by_pairs(np.repeat(x, counts), np.repeat(y, counts))])


def test_tau_is_no_number_where_all_are_tied():
    assert np.isnan(kendall(np.ones(4), np.arange(4.0))).all()


def test_ranks_count_from_the_greatest_and_ties_share_theirs():
    assert middle_ranks([0.2, 0.9, 0.2, 0.5]) == (3.5, 1.0, 3.5, 2.0)


@pytest.mark.parametrize(
    ("second", "tau"), [([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1.0), ([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], -1.0)]
)
def test_an_order_and_its_reverse(second, tau):
    (found,) = ranked([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], second)
    assert (found.first, found.second) == ("unit", "small")
    assert (found.tau, found.low, found.high) == (tau, tau, tau)


def test_the_interval_is_that_of_a_bootstrap_over_entries():
    x, y = np.random.default_rng(3).uniform(size=(2, 40))
    (found,) = ranked(x, 0.5 * x + 0.5 * y)
    assert found.low < found.tau < found.high
    assert found.high - found.low == pytest.approx(4 * 0.08, rel=0.5)


def test_nothing_is_said_of_a_few():
    assert ranked([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]) == []


def test_a_recipe_that_is_there_twice_is_left_out():
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    entries = [entry(f"E{k}", {"bowl": [s] * 4}) for k, s in enumerate(scores)]
    entries += [entry(f"E{k}", {"net": [s] * 4}, tier="small", source="b.csv") for k, s in enumerate(scores)]
    entries.append(entry("E0", {"net": [0.9] * 4}, tier="small", source="c.csv"))
    (found,) = correlations(boards(entries, tasks=TASKS))
    assert sorted(found.recipes) == ["E1", "E2", "E3", "E4", "E5"]


def test_an_interval_that_holds_zero_is_said_to():
    x, y = np.random.default_rng(5).uniform(size=(2, 12))
    assert "The interval holds zero" in paragraph(ranked(x, y))


def test_an_order_that_agrees_is_told_with_its_chance():
    scores = np.linspace(0.1, 0.9, 30)
    text = paragraph(ranked(scores, scores))
    assert "Kendall's tau-b of the scores of 30 optimizers is 1.00" in text
    assert "a chance of 100%" in text
    assert "Of the 3 that lead the unit tier, 3 are among the 3" in text
    assert "holds zero" not in text


def test_leaders_that_are_not_told_apart_are_said_to_be():
    rng = np.random.default_rng(1)
    low, high = np.linspace(0.1, 0.4, 20), np.full(20, 0.6)
    first = np.concatenate([low, high + rng.uniform(0, 0.1, 20)])
    second = np.concatenate([low, high + rng.uniform(0, 0.1, 20)])
    assert "small tasks tell what fails better than they tell what leads" in paragraph(ranked(first, second))
