"""Expected running time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_optbench.analysis.ert import expected_running_time


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([10.0, 30.0], 20.0),
        ([10.0, math.inf], 110.0),
        ([10.0, 20.0, math.inf, math.inf], 115.0),
        ([math.inf, math.inf], math.inf),
    ],
)
def test_all_steps_by_the_number_of_successes(steps, expected):
    assert expected_running_time(np.array(steps), 100) == expected


def test_it_is_the_mean_of_restarts():
    """With success probability p and budget B: (1-p)/p B + mean of the successes (Hansen et al. 2021)."""
    steps = np.array([10.0, 20.0, 60.0, math.inf, math.inf])
    p = 3 / 5
    assert expected_running_time(steps, 90) == pytest.approx((1 - p) / p * 90 + 30.0)
