"""`--optbench-fail-on`, `--optbench-alpha` and `--optbench-tolerance`, for a session and for a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest
from project import Project

from pytest_optbench.words.baseline import read_baseline, to_csv

SETTINGS = 'seeds = 20\nbaseline = "base.csv"\ntasks = "bowl2"'
BOTH = 'seeds = 20\nbaseline = "base.csv"'
SOURCE = """
    import torch

    class Descent(torch.optim.SGD):
        def __init__(self, params, lr={lr}):
            super().__init__(params, lr=lr)
"""


@pytest.fixture
def saved(project: Project) -> Project:
    project.table("Descent", settings=SETTINGS).bench("--optbench-save")
    return project


@pytest.mark.parametrize(
    ("lr", "words", "failed"),
    [
        (0.2, "slower", True),
        (0.2, "changed", True),
        (0.2, "missed,gone", False),
        (0.2, "none", False),
        (0.3000001, "slower", False),
        (0.3000001, "slower,changed", True),
        (0.6, "slower", False),
        (0.6, "changed", True),
    ],
)
def test_what_fails(saved: Project, lr: float, words: str, failed: bool) -> None:
    saved.write({"acme.py": SOURCE.format(lr=lr)})
    assert saved.bench(f"--optbench-fail-on={words}").outcomes == ({"failed": 1} if failed else {"passed": 1})


def test_a_recipe_has_a_gate_of_its_own_and_the_command_line_goes_before_it(saved: Project) -> None:
    saved.table("Descent\nfail_on = 'none'", settings=SETTINGS).write({"acme.py": SOURCE.format(lr=0.2)})
    assert saved.bench().outcomes == {"passed": 1}
    assert saved.bench("--optbench-fail-on=slower").outcomes == {"failed": 1}


def test_without_missed_a_new_miss_is_only_shown(project: Project) -> None:
    result = project.table("Slow", settings=SETTINGS).bench("--optbench-fail-on=slower")
    assert result.outcomes == {"passed": 1}
    assert result.words("verdict") == {("Slow", "bowl2"): {"reported"}}


@pytest.mark.parametrize(
    ("option", "outcome"), [("--optbench-tolerance=0.7", "passed"), ("--optbench-tolerance=0.4", "failed")]
)
def test_the_tolerance_decides_which_seeds_count(saved: Project, option: str, outcome: str) -> None:
    saved.write({"acme.py": SOURCE.format(lr=0.2)})
    assert saved.bench(option).outcomes == {outcome: 1}


def test_alpha_decides_how_many_seeds_are_needed(saved: Project) -> None:
    assert (
        "no fewer than 21 can decide at alpha 0.0001 over 128 tests"
        in saved.bench("--optbench-alpha=0.0001", "--optbench-seeds=19").error
    )


@pytest.mark.parametrize(
    ("optimizer", "arguments", "sentence"),
    [
        ("Descent", ["--optbench-fail-on=slow"], "--optbench-fail-on: unknown change 'slow'; did you mean 'slower'?"),
        ("Descent", ["--optbench-fail-on=none,slower"], "--optbench-fail-on: 'none' stands alone"),
        ("Descent", ["--optbench-alpha=0"], "--optbench-alpha: alpha is 0.0; expected a probability"),
        ("Descent\nalpha = 2", [], "[tool.optbench.optimizers.Descent]: alpha: alpha is 2; expected a probability"),
        ("Descent\nfail_on = 'slow'", [], "[tool.optbench.optimizers.Descent]: fail_on: unknown change 'slow'"),
        ("Descent\ntolerance = 'x'", [], "tolerance is 'x'; expected a number"),
    ],
)
def test_a_mistake_is_a_sentence(project: Project, optimizer: str, arguments: list[str], sentence: str) -> None:
    assert sentence in project.table(optimizer, settings=SETTINGS).run("--optbench", *arguments).error


def test_what_is_gone_has_an_item_that_fails(project: Project) -> None:
    project.table("Descent", "Other=Descent", settings=BOTH).bench("--optbench-save")
    project.table("Descent\ntasks = 'bowl2'", settings=BOTH)
    result = project.bench()
    assert result.outcomes == {"passed": 1, "failed": 2}
    assert "gone: Descent on bowl3@1: in base.csv, and not declared any more" in result.text
    assert "gone: Other on bowl2@1, Other on bowl3@1: in base.csv, and not declared any more" in result.text
    assert "pyproject.toml.Descent.tasks::gone" in result.junit
    assert project.bench("--optbench-fail-on=slower").outcomes == {"passed": 3}


@pytest.mark.parametrize(
    "selection",
    [["-k", "bowl2"], ["--optbench-tier=unit"], ["--optbench-tasks=bowl2"], ["pyproject.toml::Descent::tasks::bowl2"]],
)
def test_nothing_is_gone_from_a_selection(project: Project, selection: list[str]) -> None:
    project.table("Descent", settings=BOTH).bench("--optbench-save")
    project.table("Descent\ntasks = 'bowl2'", settings=BOTH)
    assert project.bench(*selection).outcomes["passed"] == 1


def test_what_another_tier_holds_is_not_gone(project: Project) -> None:
    project.table("Descent", settings=BOTH).bench("--optbench-save")
    assert project.table("Descent", settings=f"{BOTH}\ntier = 'unit'").bench().outcomes == {"passed": 1}


def test_the_recipe_of_a_marked_test_is_not_gone(project: Project) -> None:
    mark = "import pytest\nimport acme\n@pytest.mark.optbench(optimizer=acme.Descent, tasks='bowl2', seeds=20)\n"
    project.write({"tests/test_mark.py": f"{mark}def test_marked(optbench):\n    optbench.check()\n"})
    project.table("Descent", settings=SETTINGS).bench("--optbench-save")
    assert {row.recipe for row in read_baseline(project.folder / "base.csv")} == {"Descent", "test_marked"}
    assert project.bench("pyproject.toml").outcomes == {"passed": 1}


def test_a_name_in_what_is_gone_is_inert(saved: Project) -> None:
    path = saved.folder / "base.csv"
    (row,) = read_baseline(path)
    path.write_text(to_csv([row, replace(row, recipe="x\x1b[31m\nERROR: y::[")]))
    result = saved.bench()
    assert result.outcomes == {"passed": 1, "failed": 1}
    assert "gone: x\\x1b[31m\\nERROR: y::[ on bowl2@1" in result.text
