"""The detail of a case: what its own part of the page shows, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_optbench.analysis.cases import CaseSummary
from pytest_optbench.report.inert import LONGEST_NAME, one_line
from pytest_optbench.report.page.commands import option_of
from pytest_optbench.report.page.examples import examples_of
from pytest_optbench.report.page.level import Level, number, numbers, thin_band, thin_curve
from pytest_optbench.words.health import deviations_told
from pytest_optbench.words.statistics import median

MOST_NAMES = 64
"""Metrics or diagnostics of a case."""


def detail(case: CaseSummary, level: Level) -> dict[str, Any]:
    """What is not there is left out. Bands and curves are lists by column, see `level`."""
    found: dict[str, Any] = {
        "hyperparameters": one_line(case.hyperparameters),
        "tuned": one_line(case.shared.get("tuned", "")),
        "target": number(case.target),
        "optimum": number(case.optimum),
        "every": case.eval_every,
        "initial": _middle(case.initial),
        "best": _middle(case.best),
        "final": _middle(case.final),
        "unhealthy": [one_line(text) for text in deviations_told(case.unhealthy)],
        "metrics": _named(case.metrics, level),
        "medians": _named(case.medians, level),
        "comparison": {name: "inf" if value == math.inf else number(value) for name, value in case.comparison.items()},
        "option": option_of(case),
        "examples": examples_of(case.examples, level),
    }
    if level.points and case.curve:
        found["curve"] = thin_band(case.curve, level)
    if level.diagnostics:
        some = list(case.diagnostics.items())[:MOST_NAMES]
        found["diagnostics"] = {_name(name): thin_band(band, level) for name, band in some}
    if level.seeds:
        found["seeds"] = _seeds(case, level)
    return {name: value for name, value in found.items() if value not in (None, "", "{}", [], {})}


def _seeds(case: CaseSummary, level: Level) -> dict[str, Any]:
    """By column, an entry for each seed; steps are null where the target was not reached."""
    return {
        "seed": list(case.seeds),
        "outcome": list(case.outcomes),
        "steps": numbers(case.steps, 15),
        "initial": numbers(case.initial, level.digits),
        "best": numbers(case.best, level.digits),
        "unhealthy": [one_line(text) for text in case.unhealthy],
        "curves": [thin_curve(curve, level) for curve in case.curves],
    }


def _middle(values: tuple[float, ...]) -> float | int | None:
    finite = [value for value in values if not math.isnan(value)]
    return number(median(finite)) if finite else None


def _named(values: Mapping[str, float], level: Level) -> dict[str, Any]:
    return {_name(name): number(value, level.digits) for name, value in list(values.items())[:MOST_NAMES]}


def _name(text: str) -> str:
    return one_line(text, longest=LONGEST_NAME)
