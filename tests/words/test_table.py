"""The runs table: what is written is what is read, whatever it holds."""

from __future__ import annotations

import csv
import io
import math
import os
import stat

import pandas as pd
import pytest

from pytest_optbench.words import table
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import COLUMNS, SCHEMA, Run
from pytest_optbench.words.table import case_rows, from_csv, read_runs, to_csv, write_atomically

FULL = Run(
    task="rosenbrock2",
    task_version=2,
    recipe="Acme",
    seed=3,
    initial=0.1 + 0.2,
    optimum=-1.0,
    target=5e-324,
    best=-1.7976931348623157e308,
    outcome="reached",
    steps_to_target=120,
    curve="[[0,1.0],[10,null]]",
    peak_bytes=2**53 + 1,
    p_value=1 / 3,
)
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\ttab",
    "\rreturn",
    "'quoted",
    "''twice",
    'a "quoted", b',
    "line\nbreak",
    "carriage\rreturn",
    "both\r\n",
    "<script>alert(1)</script>",
    "=HYPERLINK(0)",
    "ünï",
    "",
]


def text_of(*runs):
    return to_csv(runs)


def changed(name, value):
    """A table with one row in which one cell is another."""
    rows = list(csv.reader(io.StringIO(text_of(FULL))))
    rows[1][rows[0].index(name)] = value
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("run", [FULL, Run()], ids=["full", "empty"])
def test_a_run_is_read_back_exactly(run):
    assert from_csv(text_of(run), where="here") == [run]


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-45, 0.1, -0.0])
def test_a_number_is_read_back_to_the_bit(value):
    (found,) = from_csv(text_of(Run(final=value)), where="here")
    assert repr(found.final) == repr(value)


def test_nan_is_read_back_as_nan():
    (found,) = from_csv(text_of(Run(final=math.nan)), where="here")
    assert math.isnan(found.final)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_read_back_exactly(text):
    assert from_csv(text_of(Run(recipe=text)), where="here") == [Run(recipe=text)]


@pytest.mark.parametrize("text", [text for text in HOSTILE if text[:1] in tuple("=+-@\t\r")])
@pytest.mark.parametrize("column", ["recipe", "task", "optimizer", "hyperparameters", "metrics"])
def test_text_that_a_spreadsheet_would_run_begins_with_a_quote(column, text):
    (row,) = csv.DictReader(io.StringIO(text_of(Run(**{column: text}))))
    assert row[column] == f"'{text}"


def test_a_negative_number_is_no_formula():
    (row,) = csv.DictReader(io.StringIO(text_of(Run(final=-1.5))))
    assert row["final"] == "-1.5"


def test_rows_are_sorted_whatever_their_order():
    runs = [
        Run(recipe=recipe, task=task, task_version=version, seed=seed)
        for recipe in "ab"
        for task in ("s", "t")
        for version in (1, 2)
        for seed in (2, 10)
    ]
    assert from_csv(text_of(*reversed(runs)), where="here") == runs
    assert text_of(*reversed(runs)) == text_of(*runs)


def test_pandas_reads_the_columns():
    frame = pd.read_csv(io.StringIO(text_of(FULL, Run(seed=1))))
    assert tuple(frame.columns) == COLUMNS
    assert frame["steps_to_target"].isna().tolist() == [True, False]
    assert frame["initial"].tolist()[1] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "here: empty file; expected the header of an optbench runs table"),
        ("a,b\n1,2\n", "here: no column 'schema' in the header; expected an optbench runs table"),
        (text_of(FULL)[:-40], "here, line 2: "),
        (text_of(FULL) + "1,2026.1\n", f"here, line 3: 2 cells where the header has {len(COLUMNS)}; truncated?"),
        (changed("schema", "many"), "here, line 2: schema is 'many'; expected a number"),
        (changed("schema", str(SCHEMA + 1)), f"here, line 2: schema {SCHEMA + 1} is newer than {SCHEMA}, the newest"),
        (changed("seed", "three"), "here, line 2: column 'seed' is 'three'; expected a number"),
        (changed("final", "1,5"), "here, line 2: column 'final' is '1,5'; expected a number"),
        (changed("seed", "1.5"), "here, line 2: column 'seed' is '1.5'; expected a number"),
        (changed("task", "a").replace(",a,", ",a\rb,"), "here, line 2: no CSV ("),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, sentence):
    with pytest.raises(OptbenchError) as error:
        from_csv(text, where="here")
    assert str(error.value).startswith(sentence)


def test_a_column_from_elsewhere_is_passed_over():
    text = text_of(FULL).replace("schema,", "note,schema,", 1).replace("\n1,", "\nhello,1,", 1)
    assert from_csv(text, where="here") == [FULL]


def test_a_header_alone_is_a_table_of_no_runs():
    assert from_csv(text_of(), where="here") == []


@pytest.mark.parametrize("run", [FULL, *(Run(recipe=text) for text in HOSTILE)], ids=lambda run: repr(run.recipe))
def test_a_file_is_read_back_exactly(run, tmp_path):
    path = tmp_path / "runs.csv"
    write_atomically(path, text_of(run))
    assert read_runs(path) == [run]


def test_a_file_whose_line_ends_were_changed_is_read(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_bytes(text_of(FULL).replace("\n", "\r\n").encode())
    assert read_runs(path) == [FULL]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"schema\n\x001\n"])
def test_a_file_that_cannot_be_read_is_told_with_its_name(content, tmp_path):
    path = tmp_path / "runs.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptbenchError, match=r"runs\.csv"):
        read_runs(path)


def test_writing_replaces_a_file(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("old")
    write_atomically(path, "néw\n")
    assert path.read_bytes() == "néw\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(call, tmp_path, monkeypatch):
    path = tmp_path / "runs.csv"
    path.write_text("old")

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(*((table.os, "fsync") if call == "fsync" else (table.Path, "replace")), fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_written_file_has_the_mode_of_an_ordinary_one(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "runs.csv", "")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "runs.csv").stat().st_mode) == 0o666 & ~umask


def test_runs_are_grouped_by_case_in_the_order_of_seeds():
    runs = [Run(recipe="b", seed=1), Run(recipe="a", seed=2), Run(recipe="a", seed=0), Run(recipe="a", task_version=2)]
    found = {key: [run.seed for run in group] for key, group in case_rows(runs).items()}
    assert found == {("a", "", 1): [0, 2], ("a", "", 2): [0], ("b", "", 1): [1]}
