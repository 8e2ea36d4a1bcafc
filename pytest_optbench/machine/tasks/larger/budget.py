"""What the larger tasks have in common: steps without a target."""

from __future__ import annotations

import math

from pytest_optbench.words.threshold import Threshold

SEEDS = 5
TAG = "larger"


def steps(count: int) -> Threshold:
    """So many steps, and no target: tuning then goes by the best value alone, and every run to its end."""
    return Threshold(target=-math.inf, budget=count)
