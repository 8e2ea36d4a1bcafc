"""`--optbench-plot DIR`: the figures of what a session measured."""

from __future__ import annotations

import pytest
from project import Project

pytest.importorskip("matplotlib")


@pytest.fixture
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is drawn, and what is beside the pictures is written."""
    monkeypatch.setattr("pytest_optbench.report.plots.files.METADATA", {})


@pytest.mark.usefixtures("_no_pictures")
def test_the_figures_of_the_session_are_drawn(project: Project) -> None:
    result = project.table("Descent").bench("--optbench-plot=figures")
    written = {path.name for path in (project.folder / "figures").iterdir()}
    assert {"curves.txt", "curves.csv", "ecdf.csv", "ert.txt"} <= written
    assert "figures in figures: curves, ecdf" in "\n".join(result.lines)


def test_without_matplotlib_it_is_a_usage_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_optbench.report.picture.find_spec", lambda name: None)
    error = project.table("Descent").run("--optbench", "--optbench-plot=figures").error
    assert error == '--optbench-plot: figures: figures need matplotlib; pip install "pytest-optbench[plot]"'
    assert not (project.folder / "figures").exists()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere/figures", "--optbench-plot: folder nowhere does not exist"),
        ("taken", "--optbench-plot: taken is a file; expected a folder"),
    ],
)
def test_a_folder_that_cannot_be_is_a_usage_error(project: Project, path: str, sentence: str) -> None:
    (project.folder / "taken").write_text("")
    assert project.table("Descent").run("--optbench", f"--optbench-plot={path}").error == sentence


@pytest.mark.usefixtures("_no_pictures")
def test_who_interrupts_does_not_wait_for_figures(project: Project) -> None:
    result = project.table('Descent\ntasks = "bowl2"', "Interrupts").bench("--optbench-plot=figures")
    assert result.code == pytest.ExitCode.INTERRUPTED
    assert not (project.folder / "figures").exists()


def test_a_session_that_measures_nothing_draws_nothing(project: Project) -> None:
    project.table("Descent").run("--optbench", "--optbench-plot=figures", "--collect-only")
    assert not (project.folder / "figures").exists()
