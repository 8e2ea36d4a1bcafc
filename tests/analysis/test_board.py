"""Boards: places and intervals, and what is kept apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from results import TASKS, entry

from pytest_optbench.analysis.board import boards
from pytest_optbench.analysis.categories import TaskFacts

GOOD = {"bowl": [0.6] * 8, "valley": [0.4] * 8}
BAD = {"bowl": [0.3] * 8, "valley": [0.1] * 8}


def all_of(*entries):
    (board,) = boards(entries, tasks=TASKS)
    return board.rankings[0]


def test_a_score_is_the_mean_over_tasks_in_equal_weight():
    (place,) = all_of(entry("A", {"bowl": [0.6] * 8, "valley": [0.4] * 2})).places
    assert place.score == pytest.approx(0.5)


def test_the_greater_score_comes_first():
    found = all_of(entry("B", BAD), entry("A", GOOD))
    assert [(place.rank, place.entry.recipe) for place in found.places] == [(1, "A"), (2, "B")]


def test_equal_scores_share_a_rank():
    found = all_of(entry("A", GOOD), entry("B", GOOD), entry("C", BAD))
    assert [place.rank for place in found.places] == [1, 1, 3]


def test_a_rank_that_no_replicate_changes_has_no_interval():
    found = all_of(entry("A", GOOD), entry("B", BAD))
    assert [(place.rank_low, place.rank_high) for place in found.places] == [(1, 1), (2, 2)]


def test_a_rank_that_depends_on_the_tasks_has_an_interval():
    found = all_of(
        entry("A", {"bowl": [0.9] * 8, "valley": [0.1] * 8}), entry("B", {"bowl": [0.2] * 8, "valley": [0.3] * 8})
    )
    assert [(place.rank_low, place.rank_high) for place in found.places] == [(1, 2), (1, 2)]


def test_an_interval_is_that_of_tasks_and_seeds():
    (place,) = all_of(entry("A", GOOD)).places
    assert (place.low, place.high) == (pytest.approx(0.4), pytest.approx(0.6))


def test_the_interval_of_one_task_is_that_of_its_seeds():
    rng = np.random.default_rng(0)
    own = rng.uniform(size=32)
    (board,) = boards([entry("A", {"bowl": own})], tasks={"bowl": TASKS["bowl"]})
    (place,) = board.rankings[0].places
    deviation = own.std() / np.sqrt(len(own))
    assert (place.high - place.low) / 2 == pytest.approx(1.96 * deviation, rel=0.1)


def test_the_same_entries_give_the_same_intervals():
    scores = {name: np.random.default_rng(1).uniform(size=8) for name in TASKS}
    (one,), (other,) = (all_of(entry("A", scores)).places for _ in range(2))
    assert (one.score, one.low, one.high) == (other.score, other.low, other.high)


def test_equal_entries_are_never_told_apart_by_chance():
    scores = {name: np.random.default_rng(1).uniform(size=8) for name in TASKS}
    found = all_of(entry("A", scores), entry("B", scores))
    assert [(place.rank_low, place.rank_high) for place in found.places] == [(1, 1), (1, 1)]


def test_an_entry_that_lacks_a_task_is_not_ranked():
    found = all_of(entry("A", GOOD), entry("B", {"bowl": [0.9] * 8}))
    assert [place.entry.recipe for place in found.places] == ["A"]
    assert [(one.entry.recipe, one.tasks, one.missing) for one in found.incomplete] == [("B", 1, ("valley",))]


def test_an_entry_is_ranked_where_it_is_complete():
    (board,) = boards([entry("A", GOOD), entry("B", {"bowl": [0.9] * 8})], tasks=TASKS)
    ranking = next(one for one in board.rankings if one.category == "smooth functions")
    assert [place.entry.recipe for place in ranking.places] == ["B", "A"]


def test_regimes_are_never_mixed():
    found = boards([entry("A", GOOD), entry("B", BAD, regime="fixed")], tasks=TASKS)
    assert [(board.regime, len(board.rankings[0].places)) for board in found] == [("tuned", 1), ("fixed", 1)]


def test_every_tier_is_a_board():
    tasks = {"bowl": TASKS["bowl"], "valley": TaskFacts(1, "small", frozenset())}
    cases = {**entry("A", {"bowl": [0.6]}).cases, **entry("A", {"valley": [0.4]}, tier="small").cases}
    found = boards([replace(entry("A", GOOD), cases=cases)], tasks=tasks)
    assert [(board.tier, board.rankings[0].tasks) for board in found] == [("unit", ("bowl",)), ("small", ("valley",))]


def test_tasks_that_the_suite_does_not_know_are_other():
    (board,) = boards([entry("A", {**GOOD, "own": [1.0] * 8}), entry("B", GOOD)], tasks=TASKS)
    named = {ranking.category: ranking for ranking in board.rankings}
    assert named["other"].tasks == ("own",)
    assert [place.entry.recipe for place in named["all"].places] == ["A", "B"]
    assert named["all"].places[0].score == pytest.approx(0.5)


def test_tasks_without_target_are_scored_beside_each_other():
    entries = []
    for name, best in (("A", 65.0), ("B", 1.0)):
        curves = (((0, 129.0), (1, best)),) * 8
        whole = entry(name, GOOD, initial=np.full(8, 129.0), best=np.full(8, best), curves=curves)
        entries.append(replace(whole, cases={task: replace(one, scores=None) for task, one in whole.cases.items()}))
    (board,) = boards(entries, tasks=TASKS)
    places = board.rankings[0].places
    assert [(place.entry.recipe, place.score, place.solved) for place in places] == [
        ("B", 1.0, None),
        ("A", pytest.approx(1 / 7), None),
    ]
