"""`--optbench-level`: what a case must hold beside the references."""

from __future__ import annotations

import pytest
from project import Project

SPHERE = 'tasks = "sphere10"\nseeds = 32'
FAST = ("--optbench-optimizer=torch.optim:AdamW(lr=0.316)", "--optbench-tasks=sphere10")
SLOW = ("--optbench-optimizer=torch.optim:AdamW(lr=0.03)", *FAST[1:])


@pytest.mark.parametrize(
    ("command", "level", "outcome", "column"),
    [
        (SLOW, "solves", "passed", "solves"),
        (SLOW, "competitive", "failed", "solves"),
        (FAST, "competitive", "passed", "competitive"),
        (FAST, "leads", "failed", "competitive"),
    ],
)
def test_a_level_is_asked_for(
    project: Project, command: tuple[str, ...], level: str, outcome: str, column: str
) -> None:
    result = project.bench(*command, f"--optbench-level={level}")
    assert result.outcomes == {outcome: 1}
    assert {row.level for row in result.rows} == {column}


def test_the_failure_says_what_was_found(project: Project) -> None:
    result = project.bench(*SLOW, "--optbench-level=competitive")
    assert "pairs of seeds take at most 1.5 times the steps of AdamW" in result.text


def test_a_recipe_asks_for_a_level_and_the_command_line_goes_before_it(project: Project) -> None:
    project.table("Descent\nlevel = 'leads'", settings=SPHERE)
    assert project.bench().outcomes == {"failed": 1}
    assert project.bench("--optbench-level=solves").outcomes == {"passed": 1}


def test_an_unknown_level_is_a_usage_error(project: Project) -> None:
    error = project.table("Descent\nlevel = 'lead'", settings=SPHERE).bench().error
    assert "unknown level 'lead'; did you mean 'leads'?" in error


def test_a_task_without_references_can_be_solved_only(project: Project) -> None:
    result = project.table("Descent", settings='tasks = "bowl2"').bench("--optbench-level=leads")
    assert result.outcomes == {"passed": 1}
    assert {row.level for row in result.rows} == {"solves"}


def test_an_expected_failure_covers_a_level(project: Project) -> None:
    project.table('Descent\nlevel = "leads"\nexpected_failures = { sphere10 = "slow" }', settings=SPHERE)
    assert project.bench().outcomes == {"xfailed": 1}


def test_what_is_saved_need_not_hold_it(project: Project) -> None:
    result = project.table("Descent\nlevel = 'leads'", settings=f'{SPHERE}\nbaseline = "base.csv"').bench(
        "--optbench-save"
    )
    assert result.outcomes == {"passed": 1}
