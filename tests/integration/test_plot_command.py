"""`optbench plot`: from a runs table to the files of a paper."""

from __future__ import annotations

import importlib.util

import pytest
from tables import case, write

from pytest_optbench.cli import main


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "runs.csv", case([10, 20], task="rosenbrock2"))


def test_it_prints_what_it_wrote_and_what_it_left_out(table, tmp_path, capsys):
    out = tmp_path / "new" / "figures"
    assert main(["plot", str(table), "--out", str(out), "--only", "ert,sensitivity"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sensitivity: left out, no trials of tuning that differ in the learning rate alone",
        f"{out / 'ert'}: pdf, svg, png, txt, csv",
    ]
    assert (out / "ert.pdf").exists()


def test_without_matplotlib_it_is_one_sentence_before_anything_is_read(table, tmp_path, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "pytest_optbench.report.picture.find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    assert main(["plot", "gone.csv", "--out", str(tmp_path / "out")]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.endswith('needs matplotlib; pip install "pytest-optbench[plot]"')
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "curvs"], "--only: unknown figure 'curvs'; did you mean 'curves'?"),
        (["--references", "AdmaW"], "--references: unknown reference 'AdmaW'; did you mean 'AdamW'?"),
    ],
)
def test_a_mistake_is_one_sentence(table, tmp_path, capsys, arguments, sentence):
    assert main(["plot", str(table), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err == f"optbench: {sentence}\n"
    assert not (tmp_path / "out").exists()
