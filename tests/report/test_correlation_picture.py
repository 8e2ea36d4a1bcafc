"""The picture of rank correlations: an SVG in which names are text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_optbench.analysis.correlation import Correlation
from pytest_optbench.report.correlation_picture import draw

FOUND = Correlation(
    suite="optbench-1",
    regime="tuned",
    first="unit",
    second="small",
    recipes=("A", "<script>alert(1)</script>", "$x_", "D", "E"),
    scores=((0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.4, 0.3, 0.2, 0.1)),
    tau=-1.0,
    low=-1.0,
    high=-1.0,
    tau_of_best=float("nan"),
    best=3,
    kept=0,
    leading=1,
)


def test_names_are_neither_markup_nor_formulas():
    pytest.importorskip("matplotlib")
    text = draw([FOUND])
    assert text.count("<svg") == 1
    assert "<script" not in text


def test_the_same_numbers_give_the_same_bytes():
    pytest.importorskip("matplotlib")
    assert draw([FOUND]) == draw([FOUND])


def test_ranks_are_whole_numbers():
    pytest.importorskip("matplotlib")
    scores = tuple(float(k) for k in range(21))
    text = draw([replace(FOUND, recipes=tuple(f"R{k}" for k in range(21)), scores=(scores, scores))])
    ticks = re.findall(r"<!-- (\d+(?:\.\d+)?) -->", text)
    assert len(ticks) > 6
    assert all("." not in tick for tick in ticks)
