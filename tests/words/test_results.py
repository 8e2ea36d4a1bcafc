"""Results: what a file turns out to be, and several of them made one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_optbench.words import baseline, table
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.results import merged, numbered_runs, parse_results, read_numbered_runs
from pytest_optbench.words.run import Run

RUN = Run(recipe="Acme", task="bowl", budget=90, target=0.1, outcome="reached", steps_to_target=10, best=0.05)
SEEDS = [replace(RUN, seed=seed) for seed in range(3)]


def numbered(*runs, first=2):
    return list(enumerate(runs, start=first))


def test_a_runs_table_is_told_by_its_header():
    found = parse_results(table.to_csv(SEEDS), where="a.csv")
    assert found.runs == tuple(SEEDS)
    assert [(row.recipe, row.seeds) for row in found.rows] == [("Acme", (0, 1, 2))]


def test_a_baseline_is_told_by_its_header():
    rows = baseline.from_runs(SEEDS)
    found = parse_results(baseline.to_csv(rows), where="a.csv")
    assert (found.rows, found.runs) == (tuple(rows), None)


def test_no_baseline_has_tuning_or_what_a_test_compared_with():
    runs = [*SEEDS, replace(RUN, trial=1), replace(RUN, recipe="test_acme/SGD")]
    assert [row.recipe for row in parse_results(table.to_csv(runs), where="a.csv").cases] == ["Acme"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outcome": "reachd"}, "a.csv, line 2: unknown outcome 'reachd'; did you mean 'reached'?"),
        ({"target": None}, "a.csv, line 2: column 'target' is empty; expected a number"),
        ({"steps_to_target": None}, "a.csv, line 2: outcome is 'reached' and steps_to_target None"),
        ({"tuned": "[]"}, "a.csv, line 2: column 'tuned' is no JSON object"),
        ({"tuned": "[" * 9999}, f"a.csv, line 2: column 'tuned' is '{'[' * 40}...'; expected JSON"),
        ({"hyperparameters": "lr"}, "a.csv, line 2: column 'hyperparameters' is 'lr'; expected JSON"),
        ({"curve": "[[0,1.0],[1]]"}, "a.csv, line 2: column 'curve' is no JSON list of [step, value]"),
        ({"curve": '[["0",1.0]]'}, "a.csv, line 2: column 'curve' is no JSON list of [step, value]"),
        ({"curve": "[[1,true]]"}, "a.csv, line 2: column 'curve' is no JSON list of [step, value]"),
    ],
)
def test_a_damaged_cell_is_named(changes, sentence):
    with pytest.raises(OptbenchError) as error:
        numbered_runs(table.to_csv([replace(RUN, **changes)]), where="a.csv")
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a.csv: neither a column 'seed' nor 'seeds' in the header; expected a runs table or a baseline"),
        ("a,b\n1,2\n", "a.csv: neither a column 'seed' nor 'seeds' in the header; expected a runs table or a baseline"),
        ("seed\n1\n", "a.csv: no column 'schema' in the header; expected an optbench runs table"),
        ("seeds\n1\n", "a.csv: no column 'schema' in the header; expected an optbench baseline"),
        ("schema,seed\n9,1\n", "a.csv, line 2: schema 9 is newer than 1, the newest this version reads; upgrade"),
    ],
)
def test_another_file_is_refused(text, sentence):
    with pytest.raises(OptbenchError) as error:
        parse_results(text, where="a.csv")
    assert str(error.value) == sentence


def test_a_baseline_is_no_runs_table(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text(baseline.to_csv(baseline.from_runs(SEEDS)))
    with pytest.raises(OptbenchError, match=r"b\.csv: a baseline, with a row per case; expected a runs table"):
        read_numbered_runs(path)


def test_what_is_there_twice_is_dropped_whatever_its_times():
    again = [replace(run, step_ms=9.0, timestamp="later") for run in SEEDS[:2]]
    assert merged([("a", numbered(*SEEDS[:2])), ("b", numbered(*again, SEEDS[2]))]) == (SEEDS, 2)


def test_not_a_number_is_no_conflict_with_itself():
    run = replace(RUN, final=float("nan"))
    assert merged([("a", numbered(run)), ("b", numbered(replace(run, final=float("nan"))))])[1] == 1


def test_a_conflict_is_named_by_file_line_and_column():
    with pytest.raises(OptbenchError) as error:
        merged([("a.csv", numbered(*SEEDS)), ("b.csv", numbered(replace(SEEDS[1], steps_to_target=11), first=7))])
    assert str(error.value) == (
        "b.csv, line 7: Acme on bowl@1, seed 1: column 'steps_to_target' is 11, and 10 in a.csv, line 3; "
        "these are not the same results"
    )


def test_seeds_of_a_case_belong_together():
    with pytest.raises(OptbenchError, match=r"Acme on bowl@1: runs with torch '' and '2' are not of one case"):
        merged([("a", numbered(SEEDS[0])), ("b", numbered(replace(SEEDS[1], torch="2")))])


def test_lines_are_those_of_the_file():
    text = table.to_csv([replace(RUN, engine_reason="two\nlines"), SEEDS[1]])
    assert [line for line, _ in table.numbered(text, where="")] == [3, 4]
