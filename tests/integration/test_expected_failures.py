"""Declared expected failures of tasks: what they cover, and when they are out of date."""

from __future__ import annotations

import pytest
from project import Project

KNOWN = 'expected_failures = { bowl2 = "acme issue 12" }\ntasks = "bowl2"'
SOME = """
    from acme import Descent

    seen = 0

    class Some(Descent):
        "Fails for the first {failing} seeds, after the two optimizers that only probe it."

        def __init__(self, params):
            global seen
            super().__init__(params)
            if self.param_groups[0]["params"][0].shape == (2,):
                seen += 1
                if seen <= {failing}:
                    self.param_groups[0]["lr"] = 1e-6
"""


@pytest.mark.parametrize(
    ("optimizer", "outcomes", "verdict"),
    [
        ("Slow", {"xfailed": 1}, "xfailed"),
        ("NaNs", {"xfailed": 1}, "xfailed"),
        ("Crashes", {"failed": 1}, "failed"),
        ("Sleeps", {"failed": 1}, "failed"),
        ("Descent", {"failed": 1}, "failed"),
    ],
)
def test_an_expected_failure_covers_a_miss_and_nothing_else(
    project: Project, optimizer: str, outcomes: dict[str, int], verdict: str
) -> None:
    result = project.table(f"{optimizer}\n{KNOWN}").bench("--optbench-timeout=0.5")
    assert result.outcomes == outcomes
    assert {row.verdict for row in result.rows} == {verdict}


@pytest.mark.parametrize(
    ("optimizer", "outcome", "verdict"),
    [("Slow", "xfailed", "xfailed"), ("Crashes", "failed", "failed"), ("Descent", "failed", "failed")],
)
def test_an_expected_failure_of_a_mark_is_the_same(
    project: Project, optimizer: str, outcome: str, verdict: str
) -> None:
    project.write(
        {
            "test_mark.py": f"""
                import pytest

                @pytest.mark.optbench(
                    optimizer="acme:{optimizer}", tasks="bowl2", seeds=4, expected_failures={{"bowl2": "acme issue 12"}}
                )
                def test_known(optbench):
                    optbench.check()
            """
        }
    )
    result = project.bench()
    assert result.outcomes == {outcome: 1}
    assert {row.verdict for row in result.rows} == {verdict}


def test_the_reason_is_shown(project: Project) -> None:
    result = project.table(f"Slow\n{KNOWN}").bench()
    assert "XFAIL pyproject.toml::Slow::tasks::bowl2 - acme issue 12" in result.text
    assert "missed (expected)" in result.text


def test_one_that_is_solved_fails_with_a_sentence(project: Project) -> None:
    result = project.table(f"Descent\n{KNOWN}").bench()
    assert "Descent on bowl2: declared as an expected failure (acme issue 12), but" in result.text
    assert "4 of 4 seeds reach the target; remove it from expected_failures" in result.text
    assert "unexpectedly solved" in result.text


@pytest.mark.parametrize(
    ("failing", "outcomes"), [(0, {"failed": 1}), (1, {"failed": 1}), (2, {"xpassed": 1}), (17, {"xfailed": 1})]
)
def test_one_that_passes_is_out_of_date_from_31_of_32_seeds_on(
    project: Project, failing: int, outcomes: dict[str, int]
) -> None:
    project.write({"some.py": SOME.format(failing=failing)})
    project.table(f"Some\n{KNOWN}", settings="seeds = 32")
    table = project.folder / "pyproject.toml"
    table.write_text(table.read_text().replace("acme:", "some:"))
    result = project.bench("--optbench-engine=lockstep")
    assert result.outcomes == outcomes
    assert sum(row.outcome == "reached" for row in result.rows) == 32 - failing


def test_an_expected_failure_of_another_task_changes_nothing(project: Project) -> None:
    result = project.table('Slow\nexpected_failures = { bowl2 = "known" }').bench()
    assert result.outcomes == {"xfailed": 1, "failed": 1}


def test_an_expected_failure_may_name_a_check_of_the_contract(project: Project) -> None:
    assert project.table('Descent\nexpected_failures = { resume_bf16 = "known" }').bench().outcomes == {"passed": 2}
