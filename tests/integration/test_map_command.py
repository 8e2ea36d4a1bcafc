"""`optbench map`: a table and a picture of one optimizer."""

from __future__ import annotations

import sys

import pytest

from pytest_optbench.cli import main
from pytest_optbench.words.colours import SHEET

ONE = ["--variants", "1d.quad_bowl.noiseless.normal", "--lr", "0.1", "0.01"]


@pytest.fixture(autouse=True)
def _without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_writes_a_row_for_every_variant_and_learning_rate(tmp_path, capsys):
    assert main(["map", "torch.optim:SGD(momentum=0.5)", "--out", str(tmp_path / "new" / "map"), *ONE]) == 0
    rows = SHEET.read(tmp_path / "new" / "map" / "map.csv")
    assert [(row.optimizer, row.lr, row.hyperparameters) for row in rows] == [
        ("torch.optim.sgd:SGD", 0.01, '{"lr": 0.01, "momentum": 0.5}'),
        ("torch.optim.sgd:SGD", 0.1, '{"lr": 0.1, "momentum": 0.5}'),
    ]
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == ["0.01", "0", "0", "0", "0", "1", "0", "0"]
    assert "1 of 1 parts" in err


def test_without_matplotlib_it_says_what_to_install_and_writes_the_table(tmp_path, capsys):
    assert main(["map", "torch.optim:SGD", "--out", str(tmp_path), *ONE]) == 0
    assert "pip install pytest-optbench[plot]" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["map.csv"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["torch.optim:SDG"], "SGD"),
        (["torch.optim:LBFGS"], "needs a closure"),
        (["torch.optim:SGD", "--variants", "nonsense"], "nonsense"),
        (["torch.optim:SGD(lr=0.1, speed=2)"], "'speed'"),
    ],
)
def test_a_mistake_is_answered_before_anything_runs(arguments, sentence, tmp_path, capsys):
    assert main(["map", *arguments, "--out", str(tmp_path / "map")]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [["--lr", "fast"], ["--lr", "nan"], ["--sample", "0"], ["--jobs", "-1"]])
def test_numbers_are_numbers(option, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["map", "torch.optim:SGD", "--out", str(tmp_path), *option])
    assert "expected" in capsys.readouterr().err
