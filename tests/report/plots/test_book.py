"""All figures of some tables, in one folder."""

from __future__ import annotations

import csv
import json
import re
import warnings
from pathlib import Path

import pytest
from tables import case, run, trial, write

from pytest_optbench.report.plots import curves, files
from pytest_optbench.report.plots.book import FIGURES, NAMES, chosen_figures, write_book
from pytest_optbench.words.colours import SHEET, MapRow
from pytest_optbench.words.errors import OptbenchError

pytest.importorskip("matplotlib")

HEALTH = json.dumps(
    {"gradient_norm": [[1, 2.0], [3, 1.0]], "update_ratio": [[1, 0.1]], "loss": [[1, 0.5]], "dead_units": [[0, 0.25]]}
)
TUNED = {"regime": "tuned", "hyperparameters": '{"lr": 0.1}', "task": "rosenbrock2", "diagnostics": HEALTH}
FULL = [
    *case([10, 20, None], **TUNED),
    *trial(0.1, [10, 12, 14], task="rosenbrock2", regime="tuned"),
    *trial(1.0, [None] * 3, task="rosenbrock2", regime="tuned"),
]
HOSTILE = ["_$x^2$", "=cmd|'/c calc'!A0", "<script>alert(1)</script>", "a\u202eb \u4e2d \\frac{}", "$\\alpha"]


def book(tmp_path, runs, **how):
    table = write(tmp_path / "runs.csv", runs)
    return list(write_book([table], tmp_path / "out", **how))


def numbers(one):
    return list(csv.DictReader(one.files[-1].read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def quick(monkeypatch):
    """Everything is drawn, and no picture is written."""
    monkeypatch.setattr(files, "METADATA", {})


@pytest.mark.parametrize("name", FIGURES)
def test_beside_a_figure_are_its_caption_and_its_numbers(tmp_path, quick, name):
    (one,) = book(tmp_path, FULL, names=[name])
    assert [path.name for path in one.files] == [f"{name}.txt", f"{name}.csv"]
    assert len(one.files[0].read_text(encoding="utf-8").split()) > 40
    assert {row["entry"] for row in numbers(one)} == {"Acme"}


def test_a_figure_is_written_as_three_pictures(tmp_path):
    (one,) = book(tmp_path, FULL, names=["ert"])
    assert [path.name for path in one.files] == [f"ert.{kind}" for kind in ("pdf", "svg", "png", "txt", "csv")]
    pdf, svg, png = (path.read_bytes() for path in one.files[:3])
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    assert b"<svg" in svg[:2000]
    assert png.startswith(b"\x89PNG")
    assert one.line == f"{tmp_path / 'out' / 'ert'}: pdf, svg, png, txt, csv"


@pytest.fixture
def vector(monkeypatch):
    monkeypatch.setattr(files, "METADATA", {"svg": files.METADATA["svg"]})


def test_the_same_table_gives_the_same_bytes(tmp_path):
    found = []
    for _ in range(2):
        (one,) = book(tmp_path, FULL, names=["ert"])
        found.append([path.read_bytes() for path in one.files])
    assert found[0] == found[1]
    assert not any(re.search(rb"20\d\d-\d\d-\d\d|CreationDate", content) for content in found[0][:2])


def test_the_style_is_that_of_the_figures_whatever_the_machine_has(tmp_path, vector):
    import matplotlib  # noqa: PLC0415 - an extra

    (plain,) = book(tmp_path, FULL, names=["ert"])
    before = plain.files[0].read_bytes()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        (other,) = book(tmp_path, FULL, names=["ert"])
        assert matplotlib.rcParams["font.size"] == 20
    assert other.files[0].read_bytes() == before


def test_what_cannot_be_drawn_is_left_out_with_the_reason(tmp_path):
    found = book(tmp_path, case([10, 20], curve="[]"), names=["curves", "profiles", "sensitivity", "diagnostics"])
    assert [one.line for one in found] == [
        "curves: left out, no run has a curve",
        "profiles: left out, none of the tasks is in the reference table, whose steps the ratios are relative to",
        "sensitivity: left out, no trials of tuning that differ in the learning rate alone",
        "diagnostics: left out, no run has diagnostics",
    ]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(case([None, None], task="rosenbrock2"), id="all missed"),
        pytest.param(
            case([None] * 2, task="rosenbrock2", outcome="diverged", curve="[[0,4.0],[1,null]]", best=None, final=None),
            id="all diverged at once",
        ),
        pytest.param(case([None], task="rosenbrock2", curve="[[0,null]]", initial=float("nan")), id="no number at all"),
        pytest.param([run(steps=10, task="rosenbrock2")], id="one seed"),
        pytest.param([run(steps=0, task="rosenbrock2", curve="[[0,1.0]]")], id="solved before the first step"),
        pytest.param([run(optimum=None, target=-3.0, curve="[[0,5.0],[1,-4.0]]")], id="below zero"),
        pytest.param([run(optimum=4.0, target=4.0, curve="[[0,4.0],[1,4.0]]")], id="flat"),
    ],
)
def test_a_strange_table_is_drawn_without_a_warning(tmp_path, quick, runs):
    health = '{"loss": [[1, null], [2, 0.0], [3, -1.0]], "gradient_norm": [[1, 0.0]]}'
    runs = [type(one)(**{**vars(one), "diagnostics": health}) for one in runs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = book(tmp_path, runs, names=["curves", "profiles", "speedup", "ert", "diagnostics"])
    assert any(one.files for one in found)


def test_hostile_names_are_texts_in_every_figure(tmp_path, vector):
    runs = [one for name in HOSTILE for one in case([10], recipe=name, task="rosenbrock2", diagnostics=HEALTH)]
    runs += [one for name in HOSTILE for one in case([10], recipe=name, task=f"{name}$")]
    found = book(tmp_path, runs, names=["curves", "profiles", "ert"])
    for one in found:
        lines = one.files[-1].read_text(encoding="utf-8").splitlines()
        assert not any(line.startswith(("=", "+", "-", "@")) for line in lines)
        assert "<script" not in one.files[0].read_text(encoding="utf-8")
        assert "\u202e" not in "".join(path.read_text(encoding="utf-8") for path in one.files[1:2])


def test_many_tasks_are_pages(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(curves, "ROWS", 1)
    runs = [one for k in range(5) for one in case([10], task=f"bowl{k:02}")]
    found = book(tmp_path, runs, names=["curves"])
    assert [one.name for one in found] == ["curves-1", "curves-2"]
    assert found[1].files[-2].read_text().rstrip().endswith("Page 2 of 2.")


def test_beyond_what_can_be_told_apart_the_caption_says_who_is_in_colour(tmp_path, quick):
    runs = [one for k in range(9) for one in case([10 + k], recipe=f"R{k}", task="rosenbrock2")]
    coloured, profiles = book(tmp_path, runs, names=["curves", "profiles"])
    assert "In colour: the 7 of 9 entries with the best score" in coloured.files[-2].read_text()
    assert "the others are not drawn" in coloured.files[-2].read_text()
    assert "the others are light grey" in profiles.files[-2].read_text()
    assert {row["entry"] for row in numbers(coloured)} == {f"R{k}" for k in range(7)}
    assert {row["entry"] for row in numbers(profiles)} == {f"R{k}" for k in range(9)}


def test_entries_that_were_run_on_different_tasks_are_told(tmp_path, quick):
    runs = [*case([10], task="ackley2"), *case([10], task="rosenbrock2"), *case([9], recipe="Zen", task="ackley2")]
    (one,) = book(tmp_path, runs, names=["profiles"])
    assert "different tasks, and their lines cannot be compared" in one.files[-2].read_text()


def test_regimes_are_named_in_captions(tmp_path, quick):
    runs = [*case([10], task="ackley2", regime="fixed"), *case([9], recipe="Zen", task="ackley2", regime="tuned")]
    (one,) = book(tmp_path, runs, names=["speedup"])
    text = one.files[-2].read_text()
    assert "Hyperparameters: fixed, tuned" in text
    assert "AdamW is tuned for every task, and fixed entries are not" in text


def map_row(lr, colour):
    return MapRow(
        1, "m:O", "{}", lr, "line.1", 1, "line", "noiseless", "normal", 0, 0, "stationary", colour,
        1.0, 1.0, 1.0, 0, 0, 10, 0.1, -1.0,
    )  # fmt: skip


def test_a_map_is_known_by_its_header_and_drawn_again(tmp_path, vector):
    table = tmp_path / "any-name.csv"
    table.write_text(SHEET.to_csv([map_row(0.1, "green"), map_row(1.0, "red")]), newline="")
    (one,) = write_book([table], tmp_path / "out")
    assert one.name == "map"
    assert one.files[0].read_bytes().startswith(b"<?xml")
    assert [(row["lr"], row["green"]) for row in numbers(one)] == [
        ("0.1", "1.0"),
        ("1.0", "0.0"),
    ]


def test_a_map_that_is_asked_for_and_not_there_is_told(tmp_path):
    (one,) = book(tmp_path, FULL, names=["map"])
    assert one.line == "map: left out, none of the files is a map, as of optbench map"


@pytest.mark.parametrize(
    ("text", "names"),
    [("", list(NAMES)), ("ert", ["ert"]), (" ert, curves,", ["curves", "ert"])],
)
def test_figures_are_chosen_by_name_in_the_order_of_the_book(text, names):
    assert chosen_figures(text, where="--only") == names


def test_an_unknown_figure_is_told_with_the_nearest(tmp_path):
    with pytest.raises(OptbenchError, match=r"--only: unknown figure 'profile'; did you mean 'profiles'\?"):
        chosen_figures("profile", where="--only")


def test_nothing_is_written_where_a_table_cannot_be_read(tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("nonsense")
    with pytest.raises(OptbenchError, match="no column 'schema'"):
        list(write_book([table], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_named_twice_counts_once(tmp_path, quick):
    table = write(tmp_path / "runs.csv", FULL)
    (one,) = write_book([table, table], tmp_path / "out", names=["diagnostics"])
    assert {row["count"] for row in numbers(one) if row["quantity"] == "dead_units"} == {"3"}


def test_a_table_without_runs_is_told(tmp_path):
    with pytest.raises(OptbenchError, match=r"runs\.csv: no runs"):
        book(tmp_path, [])


def test_a_folder_that_is_a_file_is_told(tmp_path):
    Path(tmp_path / "out").write_text("")
    with pytest.raises(OptbenchError, match="out: cannot be a folder for figures"):
        book(tmp_path, FULL, names=["ert"])
