"""Histograms of values that come in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_optbench.analysis.collection import relative
from pytest_optbench.analysis.histograms import EDGES, Histogram


def test_every_value_is_counted_once():
    one = Histogram()
    one.add(np.array([1.5, 0.0, -1.0, math.nan, math.inf, 1e30]))
    one.add(np.array([1e-30]))
    assert (one.count, one.zero, one.negative, one.infinite) == (7, 1, 1, 2)
    assert one.decades.sum() == 3
    assert (one.decades[0], one.decades[-1]) == (1, 1)
    place = np.searchsorted(EDGES, 1.5) - 1
    assert one.decades[place] == 1


def test_shares_lie_between_zero_and_one():
    one = Histogram()
    one.add(np.array([0.0, 0.5, 1.0, math.nan]))
    assert one.is_share
    assert (one.unit[0], one.unit[20], one.unit[-1]) == (1, 1, 1)
    one.add(np.array([1.1]))
    assert not one.is_share


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2.0, 4.0], [1.0, 2.0]), ([0.0, 2.0, 6.0], [0.0, 1.0, 3.0]), ([0.0, 0.0], [0.0, 0.0])],
)
def test_gradients_are_relative_to_the_first_that_is_not_zero(values, expected):
    assert relative(np.array(values)).tolist() == expected
