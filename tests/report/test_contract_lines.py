"""The contract's part of the summary, as a function of findings."""

from __future__ import annotations

import pytest

from pytest_optbench.report.contract import contract_lines
from pytest_optbench.words.finding import Finding


def finding(check: str = "resume", part: str = "float32", configuration: str = "default", **changes: object) -> Finding:
    return Finding(recipe="Ours", configuration=configuration, check=check, part=part, **changes)  # type: ignore[arg-type]


def texts(*findings: Finding, width: int = 200) -> list[str]:
    return [line.text for line in contract_lines(findings, width=width)]


def test_nothing_is_said_of_nothing() -> None:
    assert texts() == []


def test_a_configuration_is_counted_by_outcome() -> None:
    lines = texts(
        finding(),
        finding("in_place", outcome="failed", sentence="moved"),
        finding("fp16", outcome="xpassed", sentence="holds"),
        finding("bf16", outcome="xfailed", sentence="known"),
        finding("hooks", outcome="timeout", sentence="late"),
        finding("state_bounded", measures={"state_bytes_per_param": 8.0}),
    )
    assert lines[1].split() == ["Ours", "default", "6", "2", "3", "1", "8.0"]


@pytest.mark.parametrize(
    ("outcome", "colour"),
    [("passed", "green"), ("xfailed", "yellow"), ("failed", "red"), ("xpassed", "red"), ("crashed", "red")],
)
def test_the_colour_is_that_of_the_worst(outcome: str, colour: str) -> None:
    assert contract_lines([finding(), finding("hooks", outcome=outcome)])[1].markup == {colour: True}


def test_dtypes_and_configurations_of_one_broken_property_share_a_sentence() -> None:
    lines = texts(
        finding(outcome="failed", sentence="first"),
        finding(part="float64", outcome="failed", sentence="second"),
        finding(configuration="amsgrad", outcome="failed", sentence="third"),
    )
    assert lines[3:-1] == ["Ours resume (default, amsgrad): first"]


def test_hyperparameters_have_a_sentence_each() -> None:
    lines = texts(
        finding("hyperparameters_are_live", "eps", outcome="failed", sentence="dead"),
        finding("hyperparameters_are_live", "lr", outcome="failed", sentence="dead too"),
    )
    assert lines[2:-1] == [
        "Ours hyperparameters_are_live::eps (default): dead",
        "Ours hyperparameters_are_live::lr (default): dead too",
    ]


def test_a_hint_is_given_once() -> None:
    lines = texts(finding(hints=("behaves sign-like",)), finding(part="float64", hints=("behaves sign-like",)))
    assert lines[2:-1] == ["Ours behaves sign-like"]
