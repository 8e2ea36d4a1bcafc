"""The summary as a function of rows: what it says without a session around it."""

from __future__ import annotations

import pytest

from pytest_optbench.report.terminal import summary_lines
from pytest_optbench.words.run import Run


def row(**changes: object) -> Run:
    fields = {
        "task": "bowl",
        "recipe": "Ours",
        "outcome": "reached",
        "steps_to_target": 10,
        "target": 0.1,
        "budget": 100,
        "curve": "[[0,1.0],[1000,0.1]]",
        "step_ms": 2.0,
        "gradient_ms": 3.0,
    }
    return Run(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("evaluations", "seconds"), [(None, "5.0 s"), (2.0, "2.0 s")])
def test_a_plain_loop_pays_for_gradients_that_the_step_does_not_compute_itself(
    evaluations: float | None, seconds: str
) -> None:
    lines = summary_lines([row(evaluations=evaluations)], pars={}, tags={}, seconds=1.0, width=200)
    assert any(line.text.endswith(f"a plain loop over them would take about {seconds}") for line in lines)
