"""The example project, a copy of it: its baseline holds, and the walk of its README leads where the README says."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from project import Project, Result

from pytest_optbench.words.baseline import BaselineRow, read_baseline, to_csv

EXAMPLE = Path(__file__).parents[2] / "example_project"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
BREAK, IMPROVE = re.findall(r"```diff\n-(.*)\n\+(.*)\n```", README)
MOMENTUM = "pyproject.toml::AcmeMomentum"
QUICK = ("--optbench-tasks=mult_noise_bowl10 or sparse_rows200", "--optbench-seeds=20")
LAYERS = "--optbench-layer=contract,tasks,fingerprint"
"""Known to the baseline as a miss, and as solved."""
MISS, SOLVED = ("AcmeMomentum", "mult_noise_bowl10"), ("AcmeMomentum", "sparse_rows200")


@pytest.fixture
def example(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for path in project.folder.glob("*.py"):
        path.unlink()
    shutil.copytree(EXAMPLE, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_optim"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(project.folder)
    return project


def edit(example: Project, change: tuple[str, str], *, back: bool = False) -> None:
    path = example.folder / "acme_optim" / "momentum.py"
    old, new = reversed(change) if back else change
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def changes(result: Result) -> dict[tuple[str, str], object]:
    return {case: word for case, words in result.words("change").items() for word in words}


def failed(result: Result) -> set[str]:
    """The second half of the ids of what failed."""
    return set(re.findall(rf"^FAILED {MOMENTUM}::(.*?)(?: - .*)?$", result.text, re.MULTILINE))


def walked(example: Project, *options: str) -> None:
    """Break, mend, improve and accept, and look at every stage."""

    def run(*more: str) -> Result:
        return example.bench(MOMENTUM, LAYERS, *options, *more)

    edit(example, BREAK)
    broken = run()
    assert {"fingerprint::default", "tasks::sparse_rows200"} < failed(broken)
    assert any(name.startswith("contract::default::sgd_impulse_response") for name in failed(broken))
    assert (changes(broken)[MISS], changes(broken)[SOLVED]) == ("faster", "slower")
    assert "AcmeMomentum on sparse_rows200@1, compared with optbench-baseline.csv: slower on " in broken.text

    edit(example, BREAK, back=True)
    mended = run()
    assert mended.code == 0, mended.text
    assert set(changes(mended).values()) == {"unchanged"}

    edit(example, IMPROVE)
    better = run()
    assert failed(better) == {"fingerprint::default"}
    assert (changes(better)[MISS], changes(better)[SOLVED]) == ("faster", "changed")
    assert "slower" not in changes(better).values()

    before = read_baseline(example.folder / "optbench-baseline.csv")
    assert run("--optbench-save").code == 0
    after = {row.place: row for row in read_baseline(example.folder / "optbench-baseline.csv")}
    assert [after[row.place] for row in before if row.recipe != "AcmeMomentum"] == [
        row for row in before if row.recipe != "AcmeMomentum"
    ]
    accepted = run()
    assert accepted.code == 0, accepted.text
    assert set(changes(accepted).values()) == {"unchanged"}


def test_the_walk(example: Project) -> None:
    walked(example, *QUICK)


@pytest.mark.full
def test_the_walk_over_all_tasks(example: Project) -> None:
    walked(example)


def test_the_baseline_is_of_what_the_project_declares(example: Project) -> None:
    collected = example.run("--optbench", LAYERS, "--optbench-tune=auto", "--collect-only", "-q")
    declared = set(re.findall(r"^pyproject.toml::(\w+)::tasks::(\w+)$", collected.text, re.MULTILINE))
    stored = {(row.recipe, row.task) for row in read_baseline(EXAMPLE / "optbench-baseline.csv") if row.kind == "case"}
    assert {case for case in stored if not case[0].startswith("test_")} == declared
    assert "::gone" not in collected.text


def test_the_baseline_holds_on_another_machine(example: Project) -> None:
    """Other bits, the same steps: every recipe is certified by its fingerprints, and by parity with torch's."""

    def elsewhere(row: BaselineRow) -> BaselineRow:
        best = tuple(None if value is None else value * (1 + 1e-6) for value in row.best)
        return replace(row, cpu="ANOTHER", best=best, trajectory_sha="0" if row.kind == "case" else "")

    path = example.folder / "optbench-baseline.csv"
    path.write_text(to_csv(map(elsewhere, read_baseline(path))), encoding="utf-8")
    result = example.bench("-k", "AcmeAdam or AcmeMomentum or convex", "--optbench-tune=auto", *TWO_TASKS)
    assert result.code == 0, result.text
    assert set(changes(result).values()) == {"unchanged"}
    assert {recipe for recipe, _ in changes(result)} == {
        "AcmeAdam",
        "AcmeMomentum",
        "test_solves_the_convex_unit_tasks",
    }


TWO_TASKS = ("--optbench-tasks=sphere10 or mult_noise_bowl10", "--optbench-layer=tasks")
