"""The picture of a map."""

from __future__ import annotations

import sys

import pytest

from pytest_optbench.report.map_picture import PAINT, Strip, draw, places, rates_of, shares, strips
from pytest_optbench.words.colours import COLOURS, MapRow
from pytest_optbench.words.errors import OptbenchError


def row(shape, number, lr, colour, dimension=1):
    return MapRow(
        1, "m:O", "{}", lr, f"{shape}.{number}", dimension, shape, "noiseless", "normal", 0, 0, "stationary", colour,
        1.0, 1.0, 1.0, 0, 0, 10, 0.1, -1.0,
    )  # fmt: skip


ROWS = [
    row("line", 1, 0.1, "green"),
    row("line", 1, 0.01, "orange"),
    row("line", 2, 0.1, "red"),
    row("line", 2, 0.01, "green"),
    row("abs", 1, 0.01, "yellow", dimension=2),
    row("abs", 1, 0.1, "blue", dimension=2),
]


def test_a_strip_has_a_row_for_every_learning_rate_and_a_column_for_every_variant():
    assert strips(ROWS) == [
        Strip("1-D line", (("orange", "green"), ("green", "red"))),
        Strip("2-D abs", (("yellow",), ("blue",))),
    ]


def test_shares_of_colours_by_learning_rate():
    low, high = shares(ROWS)
    assert {colour: share for colour, share in low.items() if share} == pytest.approx(
        {"orange": 1 / 3, "green": 1 / 3, "yellow": 1 / 3}
    )
    assert sum(high.values()) == pytest.approx(1)


def test_an_optimizer_without_a_learning_rate_has_one_row():
    assert rates_of([row("line", 1, None, "green")]) == [None]


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([160, 160, 64], [(0, 0), (0, 166), (0, 332)]),
        ([160, 160, 160], [(0, 0), (0, 166), (1, 0)]),
        ([4, 4], [(0, 0), (0, 68)]),
        ([1000, 4], [(0, 0), (1, 0)]),
    ],
)
def test_strips_lie_side_by_side_while_there_is_room(widths, expected):
    assert places([Strip("", (("red",) * width,)) for width in widths]) == expected


def test_every_colour_has_its_paint():
    assert PAINT.keys() == COLOURS.keys()
    assert len(set(PAINT.values())) == len(PAINT)


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptbenchError, match=r"pip install pytest-optbench\[plot\]"):
        draw(ROWS, tmp_path / "map.png", title="Mine")
    assert not list(tmp_path.iterdir())


def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    draw(ROWS, tmp_path / "map.png", title="Mine")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
