"""Colours: what Schaul et al. 2013 (arXiv 1312.6055) call the outcome of a few repetitions, and the table of a map."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pytest_optbench.words.sheet import Sheet, column
from pytest_optbench.words.statistics import median

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "red": "diverged: fewer than half of the repetitions stayed finite",
        "violet": "some repetitions diverged",
        "orange": "median score at most 0.1: next to no progress",
        "yellow": "over a quarter of the repetitions score less than 0.1",
        "green": "good: the score is around that of the best SGD",
        "blue": "median score over 2: better than the best SGD by a factor",
        "grey": "no score: SGD makes no progress at any learning rate",
    }
)
"""The six of the paper, and one for what its authors leave out."""

POOR = 0.1
"""A score that counts as no progress."""
FAR_BETTER = 2.0
MOST_POOR = 0.25
"""Share of poor repetitions beyond which the outcome counts as varying."""
SCHEMA = 1


def colour_of(scores: Sequence[float]) -> str:
    """The colour of the scores of all repetitions; NaN for one that diverged, and for all where there is no score.

    >>> colour_of([1.0, 0.9, 1.1, 1.0])
    'green'
    """
    finished = [score for score in scores if not math.isnan(score)]
    if 2 * len(finished) < len(scores) or not finished:
        return "red"
    middle = median(finished)
    if not middle > POOR:
        return "orange"
    if len(finished) < len(scores):
        return "violet"
    if sum(score < POOR for score in finished) > MOST_POOR * len(scores):
        return "yellow"
    return "blue" if middle > FAR_BETTER else "green"


@dataclass(frozen=True)
class MapRow:
    """What one optimizer at one learning rate made of one variant."""

    schema: int = column("version of these columns", required=True)
    optimizer: str = column("the optimizer, as module:name", required=True)
    hyperparameters: str = column("all that was set, as JSON", required=True)
    lr: float | None = column("learning rate; empty for an optimizer without one", required=True)
    variant: str = column("name of the variant", required=True)
    dimension: int = column("coordinates", required=True)
    shape: str = column("parts of the first coordinate's shape, and of the others'", required=True)
    noise: str = column("noise, likewise", required=True)
    scale: str = column("scale, likewise", required=True)
    rotated: int = column("1 if rotated", required=True)
    curled: int = column("1 if curled", required=True)
    change: str = column("what changes every 10 steps", required=True)
    colour: str = column("what the scores amount to", required=True)
    score: float | None = column("median over repetitions; 1 is the progress of the best SGD", required=True)
    lower: float | None = column("first quartile of the score", required=True)
    upper: float | None = column("third quartile of the score", required=True)
    diverged: int = column("repetitions that diverged", required=True)
    poor: int = column("repetitions that finished with a score below 0.1", required=True)
    repetitions: int = column("repetitions", required=True)
    sgd_lr: float | None = column("learning rate of the best SGD; empty if none makes progress", required=True)
    sgd_progress: float | None = column("median change of the function by the best SGD", required=True)


SHEET = Sheet(MapRow, noun="map", schema=SCHEMA, key=lambda row: (row.variant, -math.inf if row.lr is None else row.lr))


def summary(rows: Sequence[MapRow]) -> list[str]:
    """How many variants have which colour, by learning rate, and what the colours mean."""
    rates = sorted({row.lr for row in rows}, key=lambda rate: -math.inf if rate is None else rate)
    width = max(map(len, COLOURS)) + 2
    lines = ["lr".ljust(10) + "".join(colour.rjust(width) for colour in COLOURS)]
    for rate in rates:
        counts = Counter(row.colour for row in rows if row.lr == rate)
        label = "none" if rate is None else f"{rate:g}"
        lines.append(label.ljust(10) + "".join(str(counts[colour]).rjust(width) for colour in COLOURS))
    return [*lines, "", *(f"{colour.ljust(width)}{meaning}" for colour, meaning in COLOURS.items())]
