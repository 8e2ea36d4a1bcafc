"""`optbench study`: from a table to runs tables that a leaderboard takes; and the list that the package ships."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path

import pytest
import torch

from pytest_optbench import cli
from pytest_optbench.commands.study import shipped_list
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import declared
from pytest_optbench.machine.search import open_search, stand_in
from pytest_optbench.machine.study import Study
from pytest_optbench.words.declaration import read_table

TABLE = read_table(shipped_list())
NAMES = [one.name for one in TABLE.optimizers]


@pytest.mark.full
def test_a_study_leaves_what_a_leaderboard_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("optbench.toml").write_text('[optimizers.Plain]\nclass = "torch.optim:SGD"\n')
    assert cli.main(["study", "optbench.toml", "--out", "out", "--tasks=sphere10", "--seeds=4"]) == 0
    assert cli.main(["verify", "out/Plain.csv", "--recipe=optbench.toml", "--sample=2"]) == 0
    assert cli.main(["leaderboard", "out/Plain.csv", "--out=site", "--tasks=sphere10"]) == 0
    first = next(csv.DictReader(Path("site/leaderboard.csv").read_text().splitlines()))
    assert (first["recipe"], first["regime"], first["tasks"]) == ("Plain", "tuned", "1")


def test_names_may_be_given_in_several_options(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Study, "run", lambda self, say: asked.append((self.only, self.together)) or {})
    cli.main(["study", "--out", str(tmp_path), "--only", "torch.Adam", "--only", "torch.SGD", "--together", "2"])
    assert asked == [(["torch.Adam", "torch.SGD"], 2)]


@pytest.mark.parametrize("tables", [[], ["Plain.csv"]])
def test_a_leaderboard_is_the_next_step_where_there_is_a_table(tables, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Study, "run", lambda self, say: {"Plain": "failed; no such task"})
    for name in tables:
        (tmp_path / name).write_text("")
    assert cli.main(["study", "--out", str(tmp_path)]) == 1
    assert ("next: optbench leaderboard" in capsys.readouterr().out) == bool(tables)


def test_a_table_that_is_not_there_is_a_mistake(tmp_path, capsys):
    assert cli.main(["study", str(tmp_path / "optbench.toml"), "--out", str(tmp_path)]) == 2
    assert "no table of optbench" in capsys.readouterr().err


def test_a_table_that_pytest_would_not_read_is_a_mistake(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text('[optimizers.Plain]\nclass = "torch.optim:SGD"\n')
    assert cli.main(["study", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "mine.toml: expected an optbench.toml or a pyproject.toml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_table_without_optimizers_is_a_mistake(tmp_path, capsys):
    (tmp_path / "optbench.toml").write_text("")
    assert cli.main(["study", str(tmp_path / "optbench.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "optbench.toml: no optimizer to run; expected tables as in [optimizers.NAME]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_list_has_all_of_torch_but_what_needs_sparse_gradients():
    every = {
        f"torch.{name}"
        for name, one in vars(torch.optim).items()
        if inspect.isclass(one) and issubclass(one, torch.optim.Optimizer)
    }
    assert every - set(NAMES) == {"torch.Optimizer", "torch.SparseAdam"}


def test_the_list_has_sixty_of_pytorch_optimizer_and_all_packages_of_the_ecosystem():
    packages = [name.partition(".")[0] for name in NAMES]
    assert packages.count("pytorch_optimizer") >= 60
    assert {"heavyball", "lion_pytorch", "optimi", "prodigyopt", "schedulefree"} <= set(packages)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("torch.")])
def test_every_one_of_torch_is_built_with_something_to_tune(name):
    recipe = load_recipe(TABLE.optimizers[NAMES.index(name)], root=None, tasks=None)
    assert declared(stand_in(recipe, open_search(recipe))).dimensions
    assert list(open_search(recipe)) == ["lr"]


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("torch.")])
def test_every_other_one_is_built_with_something_to_tune(name):
    pytest.importorskip(name.partition(".")[0])
    recipe = load_recipe(TABLE.optimizers[NAMES.index(name)], root=None, tasks=None)
    search = open_search(recipe)
    assert declared(stand_in(recipe, search)).dimensions
    assert search
    assert recipe.version
