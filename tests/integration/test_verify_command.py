"""`optbench verify`: a table that was just made holds, and one that was tampered with does not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from pytest_optbench import cli
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv

TOML = """
[optimizers.AdamW]
class = "torch.optim:AdamW"
hyperparameters = { lr = 0.3 }
"""


@cache
def made() -> tuple[Run, ...]:
    """Eight seeds of AdamW on a quick task."""
    task = next(one for one in BUILTIN if one.name == "sphere10")
    recipe = Recipe(name="AdamW", optimizer=torch.optim.AdamW, where="tests", hyperparameters={"lr": 0.3})
    case = CaseRun(
        Case(
            recipe=recipe,
            capabilities=validate(recipe),
            task=task,
            threshold=threshold_of(task),
            seeds=tuple(range(8)),
        )
    )
    case.run()
    return tuple(case.rows())


@pytest.fixture
def verify(tmp_path, monkeypatch, capsys):
    """Runs the command on rows; returns its exit code and its lines."""
    monkeypatch.chdir(tmp_path)

    def run(rows, *arguments):
        Path("runs.csv").write_text(to_csv(rows))
        code = cli.main(["verify", "runs.csv", *arguments])
        streams = capsys.readouterr()
        return code, streams.out + streams.err

    return run


def changed(**changes):
    """All rows with changes."""
    return [replace(run, **changes) for run in made()]


def test_a_table_that_was_just_made_holds(verify):
    code, text = verify(made())
    assert code == 0
    assert "5 rows run again, 5 of them to be equal to the bit" in text
    assert "8 rows checked, 0 findings" in text


def test_other_bits_on_the_same_kind_of_machine_are_a_finding(verify):
    code, text = verify(changed(trajectory_sha="0" * 64), "--sample=2")
    assert code == 1
    assert text.count("other bits on the same kind of machine") == 2


def test_bits_of_another_kind_of_machine_are_not_asked_for(verify):
    code, text = verify(changed(trajectory_sha="0" * 64, cpu="another"), "--sample=2")
    assert code == 0
    assert "2 rows run again, 0 of them to be equal to the bit" in text


def test_steps_must_be_within_a_tenth_on_every_machine(verify):
    rows = [
        replace(run, cpu="another", steps_to_target=(run.steps_to_target or 0) - 20, level_steps="[]") for run in made()
    ]
    code, text = verify(rows, "--sample=8")
    assert code == 1
    assert "when run again" in text


def test_the_choice_of_rows_depends_on_the_seed(verify):
    rows = changed(trajectory_sha="0" * 64)
    texts = [verify(rows, "--sample=1", f"--seed={seed}")[1] for seed in (0, 0, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_contradiction_is_told_with_its_line(verify):
    rows = [*made()[:7], replace(made()[7], steps_to_target=10_000)]
    code, text = verify(rows, "--sample=0")
    assert code == 1
    assert "runs.csv: line 9: AdamW on sphere10@1, seed 7: steps_to_target is 10000" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "sphere11"}, "no task of the suite"),
        ({"task_version": 9}, "the suite has sphere10@1"),
        ({"tier": "full"}, "tier is 'full'"),
        ({"target": 1.0}, "target is 1.0"),
        ({"initial": 1e-3, "curve": "[[0,0.001],[170,0.0]]"}, "in the reference table: another problem"),
    ],
)
def test_another_problem_is_told(verify, changes, words):
    code, text = verify(changed(**changes), "--sample=0")
    assert code == 1
    assert words in text


def test_what_is_not_installed_is_not_run_and_no_finding(verify):
    code, text = verify(changed(optimizer="nowhere.optim:Adam"))
    assert code == 0
    assert "not run again" in text
    assert "no module named 'nowhere'" in text


def test_another_version_is_not_run_and_no_finding(verify):
    code, text = verify(changed(optimizer_version="0.1"))
    assert code == 0
    assert "the rows are of 0.1" in text


def test_a_row_cannot_have_a_function_called(verify):
    code, text = verify(changed(optimizer="os:system"))
    assert code == 1
    assert "give the recipe with --recipe" in text


def test_a_class_that_needs_more_than_its_row_says_is_no_finding(verify):
    code, text = verify(changed(hyperparameters='{"lr": 0.3, "ball": 1}'), "--sample=1")
    assert code == 0
    assert "has no hyperparameter 'ball'" in text
    assert "give the recipe with --recipe" in text


def test_a_recipe_is_taken_at_its_word(verify, tmp_path):
    Path("optbench.toml").write_text(TOML)
    assert verify(made(), "--recipe=optbench.toml", "--sample=1")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lr = 0.3", "lr = 0.2", "hyperparameters are"),
        ("optim:AdamW", "optim:Adam", "optimizer are 'torch.optim.adam:Adam'"),
        ("optimizers.AdamW", "optimizers.Adam", "no table [optimizers.AdamW]"),
    ],
)
def test_rows_of_another_recipe_are_a_finding(verify, tmp_path, old, new, words):
    Path("optbench.toml").write_text(TOML.replace(old, new))
    code, text = verify(made(), "--recipe=optbench.toml", "--sample=1")
    assert code == 1
    assert words in text


def test_what_is_no_table_is_a_mistake(verify):
    Path("broken.csv").write_text("a,b\n1,2\n")
    assert cli.main(["verify", "broken.csv"]) == 2


def test_a_recipe_file_that_is_not_there_is_a_mistake(verify):
    assert verify(made(), "--recipe=nowhere.toml")[0] == 2
