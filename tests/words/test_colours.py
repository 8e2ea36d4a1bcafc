"""Colours of a map: the rule, and the table."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_optbench.words.colours import COLOURS, SHEET, MapRow, colour_of, summary

NAN = math.nan


@pytest.mark.parametrize(
    ("scores", "colour"),
    [
        ([1.0] * 10, "green"),
        ([0.11] * 10, "green"),
        ([2.0] * 10, "green"),
        ([2.01] * 10, "blue"),
        ([0.1] * 10, "orange"),
        ([-5.0] * 10, "orange"),
        ([NAN] * 10, "red"),
        ([], "red"),
        ([1.0] * 4 + [NAN] * 6, "red"),
        ([1.0] * 5 + [NAN] * 5, "violet"),
        ([3.0] * 9 + [NAN], "violet"),
        ([0.05] * 9 + [NAN], "orange"),
        ([0.0] * 3 + [1.0] * 7, "yellow"),
        ([0.0] * 3 + [9.0] * 7, "yellow"),
        ([0.0] * 2 + [1.0] * 8, "green"),
        ([0.1] * 3 + [1.0] * 7, "green"),
        ([math.inf] * 10, "blue"),
        ([-math.inf] * 10, "orange"),
    ],
)
def test_colour_of_scores(scores, colour):
    assert colour_of(scores) == colour
    assert colour_of(scores[::-1]) == colour


ROW = MapRow(
    1, "m:O", "{}", 0.1, "v", 1, "line", "noiseless", "normal", 0, 0, "stationary", "green", 1.0, 0.5, 1.5, 0, 0, 10,
    0.1, -1.0,
)  # fmt: skip


def row(**given):
    return replace(ROW, **given)


def test_rows_come_back_from_their_table_as_they_were():
    rows = [row(variant="a", lr=None), row(variant="a", lr=0.01, score=None, lower=None, upper=None), row(variant="b")]
    assert SHEET.from_csv(SHEET.to_csv(rows[::-1]), where="here") == rows


def test_the_summary_counts_colours_by_learning_rate():
    lines = summary([row(lr=0.1), row(lr=0.1, colour="red"), row(lr=0.01), row(lr=0.1)])
    assert [line.split() for line in lines[:3]] == [
        ["lr", *COLOURS],
        ["0.01", "0", "0", "0", "0", "1", "0", "0"],
        ["0.1", "1", "0", "0", "0", "2", "0", "0"],
    ]
    assert [line.split()[0] for line in lines[4:]] == list(COLOURS)
