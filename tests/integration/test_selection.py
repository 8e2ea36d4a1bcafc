"""Cases are selected as any test is: by id, -k, -m, --lf, --ff, --sw, -x, --deselect."""

from __future__ import annotations

import pytest
from project import Project

BOWL2, BOWL3 = "pyproject.toml::Descent::tasks::bowl2", "pyproject.toml::Descent::tasks::bowl3"
SLOW2, SLOW3 = "pyproject.toml::Slow::tasks::bowl2", "pyproject.toml::Slow::tasks::bowl3"


@pytest.fixture
def two(project: Project) -> Project:
    """A recipe that solves both tasks, and one that solves neither."""
    return project.table("Descent", "Slow")


def ids(project: Project, *arguments: str) -> list[str]:
    """Node ids that a run of these arguments would run, in order."""
    result = project.run("--optbench", "--collect-only", "-q", *arguments)
    return [line for line in result.lines if "::" in line]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([BOWL3], [BOWL3]),
        (["pyproject.toml::Descent"], [BOWL2, BOWL3]),
        (["pyproject.toml::Descent::tasks"], [BOWL2, BOWL3]),
        ([SLOW3, BOWL2], [SLOW3, BOWL2]),
        (["pyproject.toml"], [BOWL2, BOWL3, SLOW2, SLOW3]),
        (["-k", "bowl3"], [BOWL3, SLOW3]),
        (["-k", "Slow and not bowl3"], [SLOW2]),
        (["-m", "optbench_tasks"], [BOWL2, BOWL3, SLOW2, SLOW3]),
        (["-m", "optbench_unit"], [BOWL2, SLOW2]),
        (["-m", "optbench_small"], [BOWL3, SLOW3]),
        (["-m", "not optbench_tasks"], []),
        (["--deselect", BOWL2], [BOWL3, SLOW2, SLOW3]),
        (["--deselect", "pyproject.toml::Slow"], [BOWL2, BOWL3]),
        (["--optbench-tier=unit"], [BOWL2, SLOW2]),
        (["--optbench-tasks=bowl* and stretched"], [BOWL3, SLOW3]),
    ],
    ids=lambda value: " ".join(value).replace("pyproject.toml::", "") if isinstance(value, list) else None,
)
def test_arguments_select_cases(two: Project, arguments: list[str], expected: list[str]) -> None:
    assert ids(two, *arguments) == expected


def test_an_id_that_does_not_exist_is_pytests_usage_error(two: Project) -> None:
    result = two.run("--optbench", "pyproject.toml::Descent::tasks::bowl4")
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "not found: " in result.text


def test_collect_only_shows_the_tree_and_no_verdict(two: Project) -> None:
    result = two.bench("--collect-only")
    assert result.code == pytest.ExitCode.OK
    assert "4 tests collected" in result.text
    assert "solved" not in result.text
    assert not list(two.folder.glob("rows*"))


def test_last_failed_runs_the_failures_alone(two: Project) -> None:
    assert two.bench().outcomes == {"passed": 2, "failed": 2}
    assert two.bench("--lf").outcomes["failed"] == 2
    assert {row.recipe for row in two.bench("--lf").rows} == {"Slow"}


def test_failed_first_runs_the_failures_before_the_others(two: Project) -> None:
    two.bench()
    result = two.bench("--ff", "-v")
    verbose = [line.split()[0] for line in result.lines if "::" in line and "%]" in line]
    assert verbose == [SLOW2, SLOW3, BOWL2, BOWL3]


def test_stepwise_stops_at_a_failure_and_goes_on_from_there(two: Project) -> None:
    assert two.bench("--sw").outcomes["failed"] == 1
    two.table("Descent", "Slow\nhyperparameters = { lr = 0.3 }")
    assert two.bench("--sw").passed == (SLOW2, SLOW3)


def test_stop_at_the_first_failure_keeps_the_rows_so_far(project: Project) -> None:
    result = project.table("Slow", "Descent").bench("-x")
    assert result.outcomes == {"failed": 1}
    assert result.words() == {("Slow", "bowl2"): {"missed"}}


def test_durations_name_the_cases(two: Project) -> None:
    result = two.bench("--durations=0", "-vv")  # all: which are slowest is chance
    assert any("call" in line and BOWL2 in line for line in result.lines)


@pytest.mark.parametrize("plugin", ["terminal", "xdist", "cacheprovider", "junitxml"])
def test_the_csv_appears_without_a_plugin_of_pytest(two: Project, plugin: str) -> None:
    result = two.run("--optbench", "--optbench-csv=rows.csv", "-p", f"no:{plugin}")
    assert result.code == pytest.ExitCode.TESTS_FAILED
    assert result.words() == {
        ("Descent", "bowl2"): {"reached"},
        ("Descent", "bowl3"): {"reached"},
        ("Slow", "bowl2"): {"missed"},
        ("Slow", "bowl3"): {"missed"},
    }


MARKED = """
    import pytest
    from acme import {optimizer}

    @pytest.mark.{mark}
    @pytest.mark.optbench(optimizer={optimizer}, tasks="bowl2", seeds=4)
    def test_it(optbench):
        optbench.check()
"""


@pytest.mark.parametrize(
    ("optimizer", "mark", "outcome"),
    [
        ("Slow", "xfail(reason='known')", "xfailed"),
        ("Descent", "xfail(reason='known')", "xpassed"),
        ("Descent", "xfail(reason='known', strict=True)", "failed"),
        ("Crashes", "xfail(raises=RuntimeError)", "xfailed"),
        ("Slow", "xfail(raises=RuntimeError)", "failed"),
        ("Slow", "skip(reason='not now')", "skipped"),
        ("Slow", "skipif(True, reason='not now')", "skipped"),
    ],
)
def test_markers_of_pytest_mean_what_they_mean_elsewhere(
    project: Project, optimizer: str, mark: str, outcome: str
) -> None:
    project.write({"test_mark.py": MARKED.format(optimizer=optimizer, mark=mark)})
    assert project.bench().outcomes == {outcome: 1}


def test_a_skipped_case_has_no_rows(project: Project) -> None:
    project.write({"test_mark.py": MARKED.format(optimizer="Descent", mark="skip(reason='not now')")})
    assert project.bench().rows == []


FLAKY = """
    from pathlib import Path

    from acme import Descent

    class Flaky(Descent):
        "Crashes unless an earlier try has left its note."

        def misbehave(self):
            if not Path("tried").exists():
                Path("tried").touch()
                raise RuntimeError("only the first time")
"""


def test_a_rerun_replaces_the_rows_of_the_try_before(project: Project) -> None:
    project.write({"flaky.py": FLAKY})
    option = "--optbench-optimizer=flaky:Flaky"
    arguments = ("--optbench-tasks=bowl2", "--optbench-seeds=4", "--optbench-engine=lockstep", "--reruns=1")
    # In a process of its own: the plugin leaves a socket behind, which the collector would blame on a later test.
    result = project.bench(option, *arguments, subprocess=True)
    assert result.outcomes == {"passed": 1, "rerun": 1}, result.text
    assert [(row.seed, row.outcome, row.verdict) for row in result.rows] == [
        (seed, "reached", "passed") for seed in range(4)
    ]
    assert "4/4" in result.text


@pytest.fixture
def with_a_bad_one(project: Project) -> Project:
    """Two recipes that can be built, and one that cannot."""
    project.write({"broken.py": "def Broken(params):\n    raise RuntimeError('built')\n"})
    table = project.table("Descent", "Slow").folder / "pyproject.toml"
    table.write_text(table.read_text() + '[tool.optbench.optimizers.Broken]\nclass = "broken:Broken"\n')
    return project


@pytest.mark.parametrize("arguments", [[BOWL3], [SLOW3, BOWL2], ["./pyproject.toml::Slow", "test_none.py"]])
def test_only_the_recipes_whose_ids_are_given_are_built(with_a_bad_one: Project, arguments: list[str]) -> None:
    with_a_bad_one.write({"test_none.py": ""})
    assert with_a_bad_one.run("--optbench", "--collect-only", *arguments).code == pytest.ExitCode.OK


@pytest.mark.parametrize(
    "arguments", [[], ["pyproject.toml"], [".", BOWL3], ["pyproject.toml::Broken"], ["-k", "Slow"]]
)
def test_every_recipe_that_may_be_collected_is_built(with_a_bad_one: Project, arguments: list[str]) -> None:
    result = with_a_bad_one.run("--optbench", "--collect-only", *arguments)
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "RuntimeError: built" in result.text


def test_an_id_of_no_recipe_is_pytests_usage_error(two: Project) -> None:
    result = two.run("--optbench", "pyproject.toml::Descend")
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "not found: " in result.text
