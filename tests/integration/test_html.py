"""`--optbench-html`: the page of a session as a file."""

from __future__ import annotations

import re

import pytest
from project import Project

TIMES = re.compile(r'"(?:step_ms|gradient_ms|peak_bytes)":[\d.]+,?|\d{4}-\d\d-\d\dT[\d:+]+')


def page(project: Project, *arguments: str) -> str:
    project.bench("--optbench-html=page.html", *arguments)
    return (project.folder / "page.html").read_text(encoding="utf-8")


def test_the_page_says_what_the_session_says(project: Project) -> None:
    text = page(project.table("Descent", "Slow\nhyperparameters = { lr = 0.001 }"))
    assert '<h1 class="verdict failed">Failed: 2 cases missed</h1>' in text
    assert "Cases: 4 new." in text
    assert '"convex","easy"' in text


def test_the_way_through_two_parameters_is_in_it(project: Project) -> None:
    text = page(project.table("Descent"), "-k", "bowl2")
    assert '"trajectory":[[0,' in text


@pytest.mark.full
def test_it_is_the_same_with_workers(project: Project) -> None:
    project.table("Descent", "Slow\nhyperparameters = { lr = 0.001 }")
    serial, parallel = (TIMES.sub("", page(project, count)) for count in ("-n0", "-n2"))
    assert serial == parallel


def test_a_crash_is_on_it(project: Project) -> None:
    assert '"crashed"' in page(project.table('Crashes\ntasks = "bowl2"'))


@pytest.mark.parametrize("arguments", [("--optbench-tier=unknown",), ("--collect-only",)])
def test_a_session_that_runs_nothing_writes_nothing(project: Project, arguments: tuple[str, ...]) -> None:
    project.table("Descent").bench("--optbench-html=page.html", *arguments)
    assert not (project.folder / "page.html").exists()


def test_a_session_without_cases_measured_nothing(project: Project) -> None:
    assert "nothing was measured" in page(project.table("Descent"), "-k", "nothing")


def test_a_folder_that_is_not_there_is_a_usage_error(project: Project) -> None:
    error = project.table("Descent").bench("--optbench-html=nowhere/page.html").error
    assert error == "--optbench-html: folder nowhere does not exist"
