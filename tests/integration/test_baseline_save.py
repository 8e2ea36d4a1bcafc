"""`--optbench-save` and `--optbench-save-new`: what is written, what is kept, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project import Project

from pytest_optbench.words.baseline import BaselineRow, read_baseline, to_csv

LAYERS = "--optbench-layer=tasks,fingerprint"
SETTINGS = 'seeds = 20\nbaseline = "base.csv"'


def stored(project: Project, name: str = "base.csv") -> dict[tuple[str, str], BaselineRow]:
    """The rows of a baseline by recipe and task; a fingerprint's configuration stands for its task."""
    return {(row.recipe, row.configuration or row.task): row for row in read_baseline(project.folder / name)}


def test_cases_and_fingerprints_are_written_sorted_with_a_trailing_newline(project: Project) -> None:
    result = project.table("Descent", settings=SETTINGS).bench(LAYERS, "--optbench-save")
    assert result.code == 0, result.text
    text = (project.folder / "base.csv").read_text()
    assert text == to_csv(read_baseline(project.folder / "base.csv"))
    assert text.endswith("\n")
    assert list(stored(project)) == [("Descent", "bowl2"), ("Descent", "bowl3"), ("Descent", "default")]
    assert "saved to base.csv: 2 cases, 1 fingerprint" in result.lines


def test_nothing_is_written_unasked(project: Project) -> None:
    result = project.table("Descent", settings=SETTINGS).bench(LAYERS)
    assert result.code == 0
    assert not list(project.folder.glob("*base*"))


def test_a_path_goes_before_the_baseline(project: Project) -> None:
    project.table("Descent", settings=SETTINGS).bench("--optbench-save=other.csv")
    assert set(stored(project, "other.csv")) == {("Descent", "bowl2"), ("Descent", "bowl3")}
    assert not (project.folder / "base.csv").exists()


def test_without_a_baseline_in_the_table_the_summary_says_what_to_write_there(project: Project) -> None:
    result = project.table("Descent", settings="seeds = 20").bench("--optbench-save")
    assert set(stored(project, "optbench-baseline.csv")) == {("Descent", "bowl2"), ("Descent", "bowl3")}
    assert 'to compare with it, write baseline = "optbench-baseline.csv" into the table' in result.lines


@pytest.mark.parametrize(
    "selection",
    [["-k", "bowl2"], ["--optbench-tier=unit"], ["--optbench-tasks=bowl2"], ["pyproject.toml::Descent::tasks::bowl2"]],
    ids=lambda selection: selection[0],
)
def test_a_selection_updates_its_rows_and_keeps_the_others(project: Project, selection: list[str]) -> None:
    project.table("Descent", settings=SETTINGS).bench("--optbench-save")
    before = stored(project)
    project.table("Descent\nhyperparameters = { lr = 0.2 }", settings=SETTINGS)
    result = project.bench(*selection, "--optbench-save")
    assert result.code == 0, result.text
    after = stored(project)
    assert after["Descent", "bowl3"] == before["Descent", "bowl3"]
    assert after["Descent", "bowl2"].hyperparameters == '{"lr": 0.2}'


def test_save_new_adds_what_is_missing_and_nothing_else(project: Project) -> None:
    project.table("Descent", settings=SETTINGS).bench("--optbench-save", "-k", "bowl2")
    before = stored(project)
    project.table("Descent\nhyperparameters = { lr = 0.2 }", settings=SETTINGS)
    result = project.bench("--optbench-save-new", "--optbench-fail-on=none")
    assert "saved to base.csv: 1 case, 0 fingerprints" in result.lines
    assert stored(project)["Descent", "bowl2"] == before["Descent", "bowl2"]
    assert stored(project)["Descent", "bowl3"].hyperparameters == '{"lr": 0.2}'


def test_what_save_new_does_not_save_fails_as_ever(project: Project) -> None:
    project.table("Descent", settings=SETTINGS).bench("--optbench-save", "-k", "bowl2")
    project.table("Descent=Slow", settings=SETTINGS)
    assert project.bench("--optbench-save-new").outcomes == {"failed": 1, "xfailed": 1}


def test_a_miss_is_saved_and_listed_and_from_then_on_expected(project: Project) -> None:
    result = project.table("Descent", "Slow", settings=SETTINGS).bench("--optbench-save")
    assert result.outcomes == {"passed": 2, "xfailed": 2}
    assert "known misses from now on: Slow on bowl2, Slow on bowl3" in result.lines
    result = project.bench()
    assert result.outcomes == {"passed": 2, "xfailed": 2}
    assert "known miss: 0 of 20 seeds reach the target in base.csv" in result.text


@pytest.mark.parametrize(("optimizer", "word"), [("Crashes", "crashed"), ("Loops", "timeout")])
def test_a_crash_and_a_timeout_are_refused(project: Project, optimizer: str, word: str) -> None:
    project.table("Descent", optimizer, settings=f'{SETTINGS}\ntasks = "bowl2"\ntimeout = 2')
    result = project.bench("--optbench-save")
    assert result.code == pytest.ExitCode.TESTS_FAILED
    assert f"not saved, as no baseline excuses it: {word}: {optimizer} on bowl2" in result.lines
    assert set(stored(project)) == {("Descent", "bowl2")}


def test_a_failure_of_the_contract_is_refused(project: Project) -> None:
    project.table("NaNs", settings=f'{SETTINGS}\ntasks = "bowl2"')
    result = project.bench("--optbench-save", "--optbench-layer=all")
    assert result.code == pytest.ExitCode.TESTS_FAILED
    assert " of the contract: no baseline excuses one;" in " ".join(result.lines)


def test_what_is_gone_is_removed_by_saving_all(project: Project) -> None:
    project.table("Descent", "Slow", settings=SETTINGS).bench("--optbench-save")
    project.table("Descent\ntasks = 'bowl2'", settings=SETTINGS).bench("--optbench-save")
    assert set(stored(project)) == {("Descent", "bowl2")}


def test_rows_of_optimizers_that_a_test_compares_with_are_not_saved(project: Project) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_mark.py": """
                import pytest
                from acme import Descent, Slow

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=20)
                def test_marked(optbench):
                    optbench.run(Slow)
                    optbench.check()
            """,
        }
    )
    project.bench("test_mark.py", "--optbench-save")
    assert set(stored(project, "optbench-baseline.csv")) == {("test_marked", "bowl2")}


def test_a_test_of_few_seeds_is_for_itself(project: Project) -> None:
    project.table("Descent", settings=SETTINGS).write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=3)
                def test_quick(optbench):
                    optbench.check()
            """,
        }
    )
    assert project.bench(".", "--optbench-save").outcomes["passed"] > 1
    assert {recipe for recipe, _ in stored(project)} == {"Descent"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--optbench-save=."], "--optbench-save: . is no file to save to"),
        (["--optbench-save", "pyproject.toml::Descent"], "put the flag last"),
        (["--optbench-save=nowhere/base.csv"], "--optbench-save: folder nowhere does not exist"),
        (["--optbench-save", "pyproject.toml"], "pyproject.toml: no column 'schema' in the header"),
        (["--optbench-save", "--optbench-seeds=4"], "a baseline of 4 seeds decides nothing; no fewer than 17 can"),
    ],
)
def test_a_place_or_a_run_that_is_no_good_is_told_before_anything_runs(
    project: Project, arguments: list[str], sentence: str
) -> None:
    assert sentence in project.table("Descent", settings=SETTINGS).run("--optbench", *arguments).error


def test_two_workers_save_what_one_process_saves(project: Project) -> None:
    project.table("Descent", "Slow", settings=SETTINGS).bench(LAYERS, "--optbench-save=one.csv")
    project.bench(LAYERS, "--optbench-save=two.csv", "-n2", "-p", "no:benchmark")
    assert (project.folder / "one.csv").read_bytes() == (project.folder / "two.csv").read_bytes()


def test_two_sessions_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from pytest_optbench.words.baseline import from_runs\n"
        "from pytest_optbench.words.run import Run\n"
        "from pytest_optbench.words.stored import save\n"
        "for k in range(20):\n"
        "    run = Run(recipe=sys.argv[1], task=f't{k}', target=1.0, budget=1, seed=0)\n"
        "    save(Path(sys.argv[2]), from_runs([run]))\n"
    )
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, str(script), name, str(tmp_path / "base.csv")]) for name in names]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    found = {(row.recipe, row.task) for row in read_baseline(tmp_path / "base.csv")}
    assert found == {(name, f"t{k}") for name in names for k in range(20)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.csv", "writer.py"]
