"""`optbench report`: pages of runs tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import few, runs

from pytest_optbench.cli import main
from pytest_optbench.words.table import to_csv


def table(path: Path, rows: list) -> str:
    path.write_text(to_csv(rows), encoding="utf-8", newline="")
    return str(path)


def test_tables_become_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [table(tmp_path / "a.csv", few()), table(tmp_path / "b.csv", runs("Other", "sphere10", [1, 2]))]
    out = tmp_path / "page.html"
    assert main(["report", *names, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 0.1 MB\n"
    text = out.read_text(encoding="utf-8")
    assert "Failed: 1 of 5 cases" in text
    assert f"optbench report {names[0]} {names[1]} --out {out}" in text
    assert '"convex"' in text  # tags of tasks that are built in


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("nowhere/page.html", "nowhere/page.html: cannot write the page (No such file or directory)"),
        ("a.csv", "a.csv: the page would replace the table that it is made of; give --out another name"),
    ],
)
def test_a_page_that_cannot_be_written_is_a_sentence(
    out: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "a.csv", few())
    assert main(["report", "a.csv", "--out", out]) == 2
    assert capsys.readouterr().err == f"optbench: {sentence}\n"


def test_a_file_that_is_no_table_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert main(["report", str(tmp_path / "a.csv"), "--out", str(tmp_path / "page.html")]) == 2
    assert "no column 'schema' in the header" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
