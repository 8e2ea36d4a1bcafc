"""`--optbench-markdown`: the summary of a session as a file."""

from __future__ import annotations

import pytest
from project import Project


def summary(project: Project, *arguments: str) -> str:
    project.bench("--optbench-markdown=summary.md", *arguments)
    return (project.folder / "summary.md").read_text(encoding="utf-8")


def test_what_passes_is_told_in_the_heading(project: Project) -> None:
    text = summary(project.table("Descent"))
    assert text.startswith("### ✅ optbench passed: 2 cases\n\nCases: 2 new.\n")
    assert "| `Descent` | `bowl2` |" in text.partition("<details>")[2]


def test_what_fails_is_shown_with_its_sentence(project: Project) -> None:
    text = summary(project.table("Slow\nhyperparameters = { lr = 0.001 }")).partition("<details>")[0]
    assert text.startswith("### ❌ optbench failed: 2 cases missed\n")
    assert "| ❌ | new | `Slow` | `bowl2` | - | missed |" in text
    assert "- ❌ `Slow` on `bowl2`: missed: 0 of 4 seeds reach the target" in text


def test_an_expected_failure_fails_nothing(project: Project) -> None:
    table = 'Slow\nhyperparameters = { lr = 0.001 }\nexpected_failures = { bowl2 = "#1", bowl3 = "#1" }'
    assert summary(project.table(table)).startswith("### ✅ optbench passed: 2 cases\n")


def test_a_crash_is_named(project: Project) -> None:
    text = summary(project.table('Crashes\ntasks = "bowl2"'))
    assert text.startswith("### ❌ optbench failed: 1 case crashed or timed out\n")
    assert "- ❌ `Crashes` on `bowl2`: 4 of 4 seeds crashed or timed out" in text


def test_the_contract_is_in_it(project: Project) -> None:
    text = summary(project.table("Descent"), "--optbench-layer=contract", "-k", "moves_and_descends")
    assert "Contract: " in text


def test_a_failing_assertion_of_a_test_is_no_pass(project: Project) -> None:
    project.write(
        {
            "test_own.py": """
                import pytest

                @pytest.mark.optbench(optimizer="acme:Descent", tasks="bowl2", seeds=4)
                def test_own(optbench):
                    optbench.run()
                    assert False
            """
        }
    )
    assert summary(project).startswith("### ❌ optbench failed: every case passed, and the session failed")


def test_a_session_without_cases_measured_nothing(project: Project) -> None:
    assert summary(project.table("Descent"), "-k", "nothing").startswith("### ❌ optbench failed: nothing was measured")


@pytest.mark.parametrize("arguments", [("--optbench-tier=unknown",), ("--collect-only",)])
def test_a_session_that_runs_nothing_writes_nothing(project: Project, arguments: tuple[str, ...]) -> None:
    project.table("Descent").bench("--optbench-markdown=summary.md", *arguments)
    assert not (project.folder / "summary.md").exists()


@pytest.mark.full
def test_it_is_the_same_with_workers(project: Project) -> None:
    project.table("Descent", "Slow\nhyperparameters = { lr = 0.001 }")
    assert summary(project, "-n0") == summary(project, "-n2")


def test_a_folder_that_is_not_there_is_a_usage_error(project: Project) -> None:
    error = project.table("Descent").bench("--optbench-markdown=nowhere/summary.md").error
    assert error == "--optbench-markdown: folder nowhere does not exist"
