"""`--optbench-json PATH`: the list for github-action-benchmark, written at the end."""

from __future__ import annotations

import json

import pytest
from project import Project


def test_every_case_has_an_entry_with_the_median_of_its_rows(project: Project) -> None:
    result = project.table("Descent", "Slow").bench("--optbench-json=out.json")
    found = {entry["name"]: entry for entry in json.loads((project.folder / "out.json").read_text())}
    assert set(found) == {f"{recipe} on {task}@1" for recipe, task in result.words()}
    steps = sorted(row.steps for row in result.rows if (row.recipe, row.task) == ("Descent", "bowl2"))
    assert found["Descent on bowl2@1"]["value"] == (steps[1] + steps[2]) / 2
    assert found["Slow on bowl2@1"]["value"] == 40
    assert {entry["unit"] for entry in found.values()} == {"steps"}


def test_a_session_that_measures_nothing_replaces_nothing(project: Project) -> None:
    (project.folder / "out.json").write_text("[1]")
    for arguments in (["-k", "nothing"], ["--collect-only"]):
        project.table("Descent").run("--optbench", "--optbench-json=out.json", *arguments)
        assert (project.folder / "out.json").read_text() == "[1]"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere/out.json", "--optbench-json: folder nowhere does not exist"),
        (".", "--optbench-json: . is a folder; expected a file"),
    ],
)
def test_a_path_that_cannot_be_written_is_a_sentence(project: Project, path: str, sentence: str) -> None:
    assert project.table("Descent").run("--optbench", f"--optbench-json={path}").error == sentence


def test_the_path_in_a_table_is_relative_to_the_table(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.table("Descent", settings='json = "out.json"').write({"deep/empty.txt": ""})
    monkeypatch.chdir(project.folder / "deep")
    project.run("--optbench")
    assert (project.folder / "out.json").exists()
