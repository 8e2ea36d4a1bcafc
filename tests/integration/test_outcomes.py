"""Whatever an optimizer does, its cases end as one outcome word in the CSV and in JUnit, and the others are intact."""

from __future__ import annotations

import pytest
from junitparser import Error, Failure
from project import Project


@pytest.mark.parametrize(
    ("optimizer", "outcome"),
    [
        ("Descent", "reached"),
        ("Slow", "missed"),
        ("NaNs", "diverged"),
        ("Explodes", "diverged"),
        ("Crashes", "crashed"),
        ("Loops", "timeout"),
        ("Sleeps", "timeout"),
        ("Swallows", "timeout"),
    ],
)
def test_a_case_ends_as_its_outcome_and_leaves_the_next_one_intact(
    project: Project, optimizer: str, outcome: str
) -> None:
    project.table(f'Under={optimizer}\ntasks = "bowl2"', "After=Descent")
    result = project.bench("--optbench-timeout=0.5")
    assert result.words() == {
        ("Under", "bowl2"): {outcome},
        ("After", "bowl2"): {"reached"},
        ("After", "bowl3"): {"reached"},
    }
    assert result.outcomes.get("failed", 0) == (outcome != "reached")
    assert result.junit["pyproject.toml.Under.tasks::bowl2"].is_passed == (outcome == "reached")
    assert result.properties("pyproject.toml.Under.tasks::bowl2")["optbench_outcome"] == outcome


@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
@pytest.mark.parametrize("optimizer", ["NaNs", "Explodes", "Crashes", "Slow"])
def test_a_failing_run_keeps_its_record_up_to_the_failure(project: Project, optimizer: str, engine: str) -> None:
    project.table(optimizer, settings=f"engine = '{engine}'\ntasks = 'bowl2'")
    for row in project.bench().rows:
        assert row.steps_to_target is None
        assert row.trajectory_sha
        assert row.initial is not None
        assert row.best is not None
        assert row.best <= row.initial
        assert row.engine == engine


def test_a_crash_of_some_seeds_is_told_apart_from_the_others(project: Project) -> None:
    project.write(
        {
            "picky.py": """
                from acme import Descent

                class Picky(Descent):
                    "Crashes when a parameter has been negative."

                    def step(self, closure=None):
                        if self.param_groups[0]["params"][0].min() < 0:
                            raise FloatingPointError("below zero")
                        return super().step()
            """
        }
    )
    result = project.bench("--optbench-optimizer=picky:Picky", "--optbench-tasks=bowl2", "--optbench-seeds=8")
    words = [row.outcome for row in result.rows]
    assert set(words) == {"reached", "crashed"}
    assert result.outcomes == {"failed": 1}
    assert f"({words.count('crashed')} of 8 seeds crashed)" in result.text


@pytest.mark.parametrize(
    "raised",
    [
        "raise StopIteration",
        "raise SystemExit(0)",
        "raise GeneratorExit",
        "raise BaseException('of its own')",
        "raise ExceptionGroup('several', [ValueError('one'), KeyError('two')])",
        "assert not self.param_groups",
        "self.misbehave()",
        "import warnings; warnings.warn('deprecated')",
    ],
)
def test_whatever_is_raised_is_a_crash(project: Project, raised: str) -> None:
    project.write(
        {"raises.py": f"from acme import Descent\n\nclass It(Descent):\n    def misbehave(self):\n        {raised}\n"}
    )
    project.table("After=Descent")
    result = project.bench(
        "--optbench-optimizer=raises:It", "--optbench-optimizer=After=acme:Descent", "--optbench-tasks=bowl2"
    )
    assert result.outcomes == {"failed": 1, "passed": 1}
    assert result.words() == {("It", "bowl2"): {"crashed"}, ("After", "bowl2"): {"reached"}}
    assert "raises.py" in result.text
    assert "pytest_optbench/" not in result.text


def test_a_constructor_that_fails_on_a_real_shape_alone_is_a_crash(project: Project) -> None:
    project.write(
        {
            "shapes.py": """
                from acme import Descent

                class Shapes(Descent):
                    def __init__(self, params):
                        params = list(params)
                        if params[0].shape == (2,):
                            raise ValueError("two is one too many")
                        super().__init__(params)
            """
        }
    )
    result = project.bench("--optbench-optimizer=shapes:Shapes", "--optbench-tasks=bowl2", "--optbench-seeds=4")
    assert result.words() == {("Shapes", "bowl2"): {"crashed"}}
    assert "ValueError: two is one too many" in result.text
    assert "shapes.py:8: ValueError" in result.text


@pytest.mark.parametrize("optimizer", ["Loops", "Sleeps"])
def test_a_hang_that_pytest_timeout_ends_is_a_failed_item_with_rows(project: Project, optimizer: str) -> None:
    result = project.table(f'{optimizer}\ntasks = "bowl2"', "Descent").bench("--timeout=1")
    assert result.outcomes == {"failed": 1, "passed": 2}
    assert result.words()[optimizer, "bowl2"] == {"timeout"}
    assert result.words("verdict")[optimizer, "bowl2"] == {"failed"}


def test_pytest_timeout_still_ends_a_test_when_a_case_has_its_own_limit(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import time

                import pytest
                from acme import Descent

                @pytest.mark.timeout(1)
                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4)
                def test_slow_afterwards(optbench):
                    optbench.check()
                    time.sleep(600)
            """
        }
    )
    result = project.bench("--optbench-timeout=100")
    assert result.outcomes == {"failed": 1}
    assert result.words() == {("test_slow_afterwards", "bowl2"): {"reached"}}


def test_an_interrupt_keeps_the_rows_of_the_cases_before(project: Project) -> None:
    result = project.table('Descent\ntasks = "bowl2"', "Interrupts").bench()
    assert result.code == pytest.ExitCode.INTERRUPTED
    assert result.words() == {("Descent", "bowl2"): {"reached"}}
    assert not list(project.folder.glob("*.journal"))


def test_a_process_that_dies_leaves_a_journal_which_the_next_run_recovers(project: Project) -> None:
    project.table('Descent\ntasks = "bowl2"', "Exits")
    died = project.bench(subprocess=True)
    assert died.code == 3
    assert (project.folder / "rows.csv.journal").exists()
    assert not (project.folder / "rows.csv").exists()
    result = project.bench("pyproject.toml::Descent")
    (recovered,) = project.folder.glob("rows.recovered-*.csv")
    (project.folder / "rows.csv").replace(project.folder / "second.csv")
    recovered.replace(project.folder / "rows.csv")
    assert result.words() == {("Descent", "bowl2"): {"reached"}}
    assert len(result.rows) == 4
    assert not (project.folder / "rows.csv.journal").exists()
    assert f"optbench: an earlier session died; its rows are in {recovered.name}" in result.lines


@pytest.mark.parametrize(("optimizer", "kind"), [("Crashes", Failure), ("Slow", Failure)])
def test_junit_counts_a_case_that_fails_as_a_failure(project: Project, optimizer: str, kind: type) -> None:
    result = project.table(f'{optimizer}\ntasks = "bowl2"').bench()
    (case,) = result.junit.values()
    assert [type(entry) for entry in case.result] == [kind]
    assert Error not in map(type, case.result)


def test_a_session_that_measures_nothing_leaves_an_earlier_csv_alone(project: Project) -> None:
    project.table("Descent").bench()
    before = (project.folder / "rows.csv").read_bytes()
    project.run("--optbench", "--optbench-csv=rows.csv", "-k", "no_such_case")
    assert (project.folder / "rows.csv").read_bytes() == before


@pytest.mark.parametrize("raised", ["unittest.SkipTest('no gpu')", "pytest.skip.Exception('no gpu')"])
def test_an_optimizer_that_skips_has_crashed(project: Project, raised: str) -> None:
    project.write(
        {
            "dodge.py": f"""
                import unittest
                import pytest
                import torch

                class Dodge(torch.optim.SGD):
                    def step(self, closure=None):
                        raise {raised}
            """
        }
    )
    result = project.bench("--optbench-optimizer=dodge:Dodge", "--optbench-tasks=bowl2")
    assert result.outcomes == {"failed": 1}
    assert {row.outcome for row in result.rows} == {"crashed"}


def test_an_optimizer_that_hangs_in_its_first_step_is_ended_by_the_time_limit(project: Project) -> None:
    project.write(
        {
            "hang.py": """
                import torch

                class Hang(torch.optim.SGD):
                    def step(self, closure=None):
                        while True:
                            sum(range(1000))
            """
        }
    )
    result = project.bench(
        "--optbench-optimizer=hang:Hang", "--optbench-tasks=bowl2", "--optbench-timeout=0.2", "--optbench-seeds=2"
    )
    assert {row.outcome for row in result.rows} == {"timeout"}
