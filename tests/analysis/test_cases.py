"""Reading runs tables as cases, in a stream."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace

import pytest
from tables import case, run, trial, write

from pytest_optbench.analysis.bands import band
from pytest_optbench.analysis.cases import reference_cases
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.words import baseline
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import to_csv


def read(tmp_path, text, **how):
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return list(read_cases([path], **how))


def test_a_case_has_an_entry_per_seed_in_the_order_of_seeds(tmp_path):
    header, *rows = to_csv(case([10, 20, None])).splitlines(keepends=True)
    (found,) = read(tmp_path, header + "".join(reversed(rows)))
    assert (found.key, found.seeds) == (("Acme", "bowl", 1), (0, 1, 2))
    assert found.steps == (10.0, 20.0, math.inf)
    assert found.outcomes == ("reached", "reached", "missed")
    assert (found.budget, found.target, found.optimum, found.tier) == (100, 1.0, 0.0, "unit")
    assert (found.reached, found.solved, found.median_steps) == (2, True, 20.0)


def test_cases_come_in_the_order_in_which_they_stand(tmp_path):
    text = to_csv([*case([1, 2, 3]), *case([4, 5, 6], task="cliff"), *case([7, 8, 9], recipe="Zen")])
    found = read(tmp_path, text)
    assert [(one.recipe, one.task, one.steps) for one in found] == [
        ("Acme", "bowl", (1.0, 2.0, 3.0)),
        ("Acme", "cliff", (4.0, 5.0, 6.0)),
        ("Zen", "bowl", (7.0, 8.0, 9.0)),
    ]


def test_rows_of_a_case_that_do_not_stand_together_are_told_with_the_command_that_sorts_them(tmp_path):
    header, first, *others = to_csv([*case([1, 2]), run(task="cliff")]).splitlines(keepends=True)
    with pytest.raises(OptbenchError, match=r"rows of Acme on bowl@1 do not stand together.*optbench merge"):
        read(tmp_path, "".join([header, *others, first]))


def test_a_table_may_be_compressed(tmp_path):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(to_csv(case([10])).encode()))
    assert [one.steps for one in read_cases([path])] == [(10.0,)]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+x", "-x", "'quoted", "a,b", 'a"b'])
def test_a_name_that_a_spreadsheet_would_run_is_read_as_it_was(tmp_path, name):
    (found,) = read(tmp_path, to_csv(case([10], recipe=name, task=name)))
    assert (found.recipe, found.task) == (name, name)


def test_what_is_not_finite_stays_so_and_an_empty_cell_is_no_number(tmp_path):
    (found,) = read(tmp_path, to_csv([run(steps=None, initial=math.inf, best=None, final=math.nan, optimum=None)]))
    assert math.isinf(found.initial[0])
    assert math.isnan(found.best[0])
    assert math.isnan(found.final[0])
    assert found.optimum is None


def test_a_value_of_a_curve_that_is_not_finite_is_beyond_all_others(tmp_path):
    (found,) = read(tmp_path, to_csv([run(steps=None, curve="[[0,1.0],[1,null]]")]))
    assert found.curve.median == (1.0, math.inf)


def test_trials_are_apart_from_the_runs_that_count(tmp_path):
    (found,) = read(tmp_path, to_csv([*case([10]), *trial(0.1, [5, None, 7]), *trial(1.0, [None] * 3)]))
    assert found.seeds == (0,)
    assert [(one.hyperparameters, one.steps) for one in found.trials] == [
        ('{"lr": 0.1}', (5.0, math.inf, 7.0)),
        ('{"lr": 1.0}', (math.inf,) * 3),
    ]


def test_curves_and_diagnostics_of_every_seed_are_there_where_they_are_asked_for(tmp_path):
    text = to_csv([run(curve="[[0,4.0],[1,2.0]]", diagnostics='{"loss":[[1,3.5]]}')])
    (found,) = read(tmp_path, text, curves=True)
    assert found.curves == (((0, 4.0), (1, 2.0)),)
    assert [dict(one) for one in found.signs] == [{"loss": ((1, 3.5),)}]
    (found,) = read(tmp_path, text)
    assert (found.curves, found.signs) == ((), ())
    assert found.diagnostics["loss"].median == (3.5,)


def test_the_end_of_a_record_is_read_even_from_a_curve_that_is_skipped(tmp_path):
    (found,) = read(tmp_path, to_csv(case([10, None])), skip={"curve", "diagnostics", "suite"})
    assert (found.curve, found.ends, found.suite) == (None, (11, 100), "")


def test_recipes_that_are_not_asked_for_are_left_out(tmp_path):
    text = to_csv([*case([1]), *case([2], recipe="=Zen"), *case([3], recipe="Other")])
    assert [one.recipe for one in read(tmp_path, text, recipes={"=Zen"})] == ["=Zen"]


def test_an_older_table_lacks_columns(tmp_path):
    names = ("schema", "task", "task_version", "recipe", "seed", "budget", "target", "outcome", "steps_to_target")
    (found,) = read(tmp_path, f"{','.join(names)}\n1,bowl,1,Acme,0,100,1.0,reached,10\n")
    assert (found.steps, found.curve, found.ends, found.regime) == ((10.0,), None, (), "default")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 99}, "schema 99 is newer than this version's"),
        ({"outcome": "reachd"}, "unknown outcome 'reachd'; did you mean 'reached'"),
        ({"curve": "[[0"}, "column 'curve' is '[[0'; expected JSON"),
        ({"curve": "[1, 2]"}, "column 'curve' is no list of"),
        ({"curve": "[[0, 1.0], [1]]"}, "column 'curve' is no list of"),
        ({"curve": "[[Infinity, 1.0]]"}, "column 'curve' is no list of"),
        ({"diagnostics": '{"loss": 3}'}, "column 'diagnostics' is no list of"),
        ({"level_steps": '["one"]'}, "column 'level_steps' is no list of numbers"),
        ({"diagnostics": "[]"}, "column 'diagnostics' is '[]'; expected JSON"),
    ],
)
def test_a_cell_that_cannot_be_read_is_a_sentence_with_the_case(tmp_path, change, sentence):
    with pytest.raises(OptbenchError) as told:
        read(tmp_path, to_csv([run(**change)]), curves=True)
    assert "Acme on bowl@1: " in str(told.value)
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("seed", "one", "column 'seed' is 'one'; expected a whole number"),
        ("budget", "1e2", "column 'budget' is '1e2'; expected a whole number"),
        ("task_version", "", "column 'task_version' is ''; expected a whole number"),
        ("steps_to_target", "ten", "column 'steps_to_target' is 'ten'; expected a number"),
        ("target", "low", "column 'target' is 'low'; expected a number"),
    ],
)
def test_a_cell_that_is_no_number_is_a_sentence(tmp_path, column, cell, sentence):
    header, row = to_csv([run()]).splitlines()
    at = header.split(",").index(column)
    cells = row.split(",")[: header.split(",").index("curve")]  # no cell before has a comma
    assert at < len(cells)
    cells[at] = cell
    short = header.split(",")[: len(cells)]
    with pytest.raises(OptbenchError) as told:
        read(tmp_path, "\n".join([",".join(short), ",".join(cells)]) + "\n")
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ([run(0), run(0, steps=11)], "more than one run with seed 0"),
        ([run(0), run(1, budget=50)], "runs with budget '100' and '50' are not of one case"),
        ([run(0), run(1, regime="tuned")], "runs with regime 'default' and 'tuned' are not of one case"),
        (trial(0.1, [1, 2]), "only trials of tuning"),
    ],
)
def test_runs_that_do_not_belong_together_are_told(tmp_path, runs, sentence):
    with pytest.raises(OptbenchError, match=sentence):
        read(tmp_path, to_csv(runs))


def test_a_baseline_is_no_runs_table(tmp_path):
    text = baseline.to_csv(baseline.from_runs(case([10, 20])))
    with pytest.raises(OptbenchError, match="a baseline, with a row per case; expected a runs table"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n", "\x00\x01", '"', "PK\x03\x04"])
def test_what_is_no_runs_table_is_told_with_its_path(tmp_path, text):
    with pytest.raises(OptbenchError, match=r"runs\.csv: no "):
        read(tmp_path, text)


def test_an_unknown_column_is_told_with_the_nearest_name(tmp_path):
    text = to_csv([run()]).replace("optimizer_version", "optimizer_versoin", 1)
    with pytest.raises(OptbenchError, match=r"unknown column 'optimizer_versoin'; did you mean 'optimizer_version'\?"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OptbenchError, match=r"gone\.csv: No such file"):
        list(read_cases([tmp_path / "gone.csv"]))


def test_a_table_of_a_header_has_no_cases(tmp_path):
    assert read(tmp_path, to_csv([])) == []


def test_a_table_cut_off_in_a_cell_is_told(tmp_path):
    text = to_csv([replace(run(), examples='{"a": "b"}')])
    with pytest.raises(OptbenchError, match=r"runs\.csv"):
        read(tmp_path, text[: text.index('{""a""') + 3])


def test_a_table_cut_off_between_cells_is_told(tmp_path):
    text = to_csv(case([10, 20]))
    cut = text[: text.index(",", text.rindex("Acme"))]
    with pytest.raises(OptbenchError, match=r"runs\.csv, line 3: \d+ cells where the header has \d+; truncated\?"):
        read(tmp_path, cut)


def test_a_compressed_table_that_is_cut_off_is_told(tmp_path):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(to_csv(case([10, 20])).encode())[:-20])
    with pytest.raises(OptbenchError, match=r"runs\.csv\.gz: no runs table"):
        list(read_cases([path]))


def test_only_one_case_is_in_memory_at_a_time(tmp_path):
    path = write(tmp_path / "runs.csv", [one for k in range(5) for one in case([1, 2], task=f"bowl{k}")])
    with path.open("a") as file:
        file.write("broken")
    stream = read_cases([path])
    assert [next(stream).task for _ in range(4)] == ["bowl0", "bowl1", "bowl2", "bowl3"]


def test_a_band_holds_quartiles_that_are_values_of_seeds():
    curves = [((0, 8.0), (10, float(k))) for k in (1, 2, 3, 4, 5)]
    found = band(curves)
    assert (found.steps, found.low, found.median, found.high) == ((0, 10), (8.0, 2.0), (8.0, 3.0), (8.0, 4.0))


def test_a_curve_holds_its_last_value_and_before_its_first_point_the_first_one():
    found = band([((0, 8.0), (4, 2.0)), ((2, 6.0), (6, 0.0)), ((0, 8.0), (4, 2.0))])
    assert found.steps == (0, 2, 4, 6)
    assert found.median == (8.0, 8.0, 2.0, 2.0)
    assert found.low == (6.0, 6.0, 2.0, 0.0)


def test_without_a_point_there_is_no_band():
    assert band([(), ()]) is None


def test_the_reference_table_comes_as_cases():
    found = {one.key: one for one in reference_cases()}
    one = found["AdamW", "rosenbrock2", max(key[2] for key in found if key[1] == "rosenbrock2")]
    assert (len(one.seeds), len(one.steps), one.regime, one.solved) == (32, 32, "tuned", True)
    assert len(one.level_steps) == 32
