"""The picture of a leaderboard: an SVG with a row for each name, and a panel for each tier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from results import TASKS, entry

from pytest_optbench.analysis.board import boards
from pytest_optbench.report import ranking_picture
from pytest_optbench.report.ranking_picture import draw, pictures

pytest.importorskip("matplotlib")
SMALL = {**TASKS, "net": replace(TASKS["bowl"], tier="small")}


def found(*entries, tasks=SMALL):
    return boards(entries, tasks=tasks)


def rows(some):
    return ranking_picture._rows(some, [dict(ranking_picture.labelled(board.rankings[0])) for board in some])


def of_both(recipe, unit, small, **fields):
    """Entries of one recipe in two tiers, as of two files with the same name for it."""
    return (
        entry(recipe, {"bowl": [unit] * 4, "valley": [unit] * 4}, tier="unit", source="unit.csv", **fields),
        entry(recipe, {"net": [small] * 4}, tier="small", source="small.csv", **fields),
    )


def test_rows_are_in_the_order_of_the_small_tier():
    assert rows(found(*of_both("A", 0.9, 0.1), *of_both("B", 0.2, 0.8))) == ["B", "A"]


def test_rows_are_in_the_order_of_the_tier_that_ranks_more():
    alone, _ = of_both("C", 0.5, 0.5)
    assert rows(found(*of_both("A", 0.9, 0.1), *of_both("B", 0.2, 0.8), alone)) == ["A", "C", "B"]


def test_who_is_not_ranked_there_has_a_row_below():
    alone, _ = of_both("C", 0.9, 0.9)
    _, only = of_both("D", 0.1, 0.1)
    _, other = of_both("E", 0.2, 0.2)
    assert rows(found(*of_both("A", 0.9, 0.4), *of_both("B", 0.2, 0.8), alone, only, other)) == [
        "B",
        "A",
        "E",
        "D",
        "C",
    ]


def test_regimes_have_pictures_of_their_own():
    some = found(*of_both("A", 0.9, 0.1), *of_both("A", 0.2, 0.8, regime="default"))
    assert sorted(pictures(some)) == ["scores-default", "scores-tuned"]


def test_a_regime_that_nobody_knows_names_no_file():
    assert sorted(pictures(found(*of_both("A", 0.9, 0.1, regime="../../evil")))) == ["scores-other"]


def test_no_picture_where_nobody_is_ranked():
    assert pictures(found(entry("A", {"bowl": [0.5] * 4}))) == {}


def test_names_are_neither_markup_nor_formulas():
    text = draw(found(*of_both("<script>alert(1)</script> $x_", 0.5, 0.5)))
    assert text.count("<svg") == 1
    assert "<script" not in text


def test_the_same_numbers_give_the_same_bytes():
    some = found(*of_both("A", 0.9, 0.1))
    assert draw(some) == draw(some)
