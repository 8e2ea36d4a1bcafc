"""The baseline: one row per case, derived from runs, read back as it was written, refused where it makes no sense."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import fields, replace

import pytest

from pytest_optbench.words import baseline
from pytest_optbench.words.baseline import COLUMNS, SCHEMA, BaselineRow, from_csv, from_runs, read_baseline, to_csv
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.run import OUTCOMES, Run
from pytest_optbench.words.table import write_atomically

ROW = BaselineRow(
    recipe="Acme",
    task="rosenbrock2",
    task_version=2,
    hyperparameters='{"lr": 0.1}',
    budget=400,
    eval_every=2,
    optimum=-1.0,
    target=5e-324,
    seeds=(0, 1, 10),
    initial=(0.1 + 0.2, None, -1.7976931348623157e308),
    outcomes=("reached", "diverged", "missed"),
    steps=(120, None, None),
    best=(1 / 3, None, 1e-45),
    curve="[[0,1.0],[10,null]]",
    trajectory_sha="ab",
)


def runs(recipe="Acme", task="bowl", *, version=1, seeds=(0, 1, 2), **same):
    return [
        Run(
            recipe=recipe,
            task=task,
            task_version=version,
            seed=seed,
            **{
                "budget": 90,
                "target": 0.5,
                "initial": 1.0 + seed,
                "outcome": "reached",
                "steps_to_target": 10 + seed,
                "best": 0.1 * seed,
                "curve": f"[[0,{seed}]]",
                "trajectory_sha": f"{seed}",
                **same,
            },
        )
        for seed in seeds
    ]


def changed(name, value):
    """A table with one row in which one cell is another."""
    rows = list(csv.reader(io.StringIO(to_csv([ROW]))))
    rows[1][rows[0].index(name)] = value
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def without(name):
    rows = list(csv.reader(io.StringIO(to_csv([ROW]))))
    at = rows[0].index(name)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(row[:at] + row[at + 1 :] for row in rows)
    return out.getvalue()


def test_a_case_is_one_row_with_its_seeds_as_lists():
    (row,) = from_runs(runs())
    assert row.key == ("Acme", "bowl", 1)
    assert (row.seeds, row.initial, row.steps) == ((0, 1, 2), (1.0, 2.0, 3.0), (10, 11, 12))
    assert (row.best, row.outcomes) == ((0.0, 0.1, 0.2), ("reached",) * 3)


def test_a_row_keeps_what_its_runs_agree_in():
    shared = {"suite": "s", "tier": "unit", "optimizer": "a:B", "optimizer_version": "3", "regime": "tuned"}
    shared |= {"hyperparameters": '{"lr": 1}', "budget": 7, "eval_every": 2, "optimum": -1.0, "target": 0.25}
    shared |= {"torch": "2", "numpy": "1", "python": "3", "platform": "L", "cpu": "AVX2", "device": "cuda"}
    shared |= {"dtype": "float64", "threads": 2}
    (row,) = from_runs(runs(**shared))
    assert {name: getattr(row, name) for name in shared} == shared


def test_the_order_of_runs_does_not_matter():
    some = [*runs("b"), *runs("a", "z"), *runs("a", "y", version=2), *runs("a", "y", seeds=(3, 11))]
    assert to_csv(from_runs(some[::-1])) == to_csv(from_runs(some))
    assert [row.key for row in from_runs(some[::-1])] == [("a", "y", 1), ("a", "y", 2), ("a", "z", 1), ("b", "bowl", 1)]
    assert from_runs(some[::-1])[0].seeds == (3, 11)


def test_the_curve_is_the_first_seeds():
    assert from_runs(runs()[::-1])[0].curve == "[[0,0]]"


def test_a_trajectory_that_differs_in_any_seed_changes_the_row():
    (row,) = from_runs(runs())
    assert row.trajectory_sha == hashlib.sha256(b"012").hexdigest()
    (other,) = from_runs([*runs()[:2], replace(runs()[2], trajectory_sha="3")])
    assert other.trajectory_sha != row.trajectory_sha


def test_what_is_not_finite_has_no_value():
    (row,) = from_runs(runs(initial=math.nan, best=math.inf, outcome="diverged", steps_to_target=None))
    assert (row.initial, row.best, row.steps) == ((None,) * 3, (None,) * 3, (None,) * 3)
    assert from_csv(to_csv([row]), where="here") == [row]


def test_trials_of_tuning_are_left_out():
    trial = replace(runs()[0], trial=1, hyperparameters="{}")
    assert from_runs([*runs(), trial]) == from_runs(runs())


@pytest.mark.parametrize("name", ["budget", "target", "hyperparameters", "torch", "dtype"])
def test_runs_that_differ_in_more_than_their_seed_are_not_one_case(name):
    first, *others = runs()
    other = replace(first, **{name: 7 if name in ("budget", "target") else "7"})
    with pytest.raises(OptbenchError, match=rf"^Acme on bowl@1: runs with {name} .* are not of one case$"):
        from_runs([other, *others])


def test_a_seed_that_ran_twice_is_an_error():
    with pytest.raises(OptbenchError, match=r"^Acme on bowl@1: more than one run with seed 1$"):
        from_runs([*runs(), runs()[1]])


def test_steps_are_infinite_where_the_target_was_missed():
    assert ROW.steps_to_target == (120, math.inf, math.inf)
    assert ROW.median_steps == math.inf
    assert from_runs(runs())[0].median_steps == 11


@pytest.mark.parametrize("row", [ROW, replace(ROW, seeds=(), initial=(), outcomes=(), steps=(), best=())])
def test_a_row_is_read_back_exactly(row, tmp_path):
    assert from_csv(to_csv([row]), where="here") == [row]
    write_atomically(tmp_path / "it.csv", to_csv([row]))
    assert read_baseline(tmp_path / "it.csv") == [row]


def test_a_row_is_one_line_and_every_column_is_documented():
    assert to_csv([ROW]).count("\n") == 2
    assert to_csv([]).strip().split(",") == list(COLUMNS)
    assert all(one.metadata["doc"] for one in fields(BaselineRow))


def test_rows_are_sorted_by_key():
    rows = [replace(ROW, recipe=recipe, task=task) for recipe in "ab" for task in "yz"]
    assert to_csv(rows[::-1]) == to_csv(rows)
    assert from_csv(to_csv(rows[::-1]), where="here") == rows


def test_text_that_a_spreadsheet_would_run_begins_with_a_quote():
    row = replace(ROW, recipe="=1+1", optimizer="@SUM(A1)")
    (cells,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert (cells["recipe"], cells["optimizer"]) == ("'=1+1", "'@SUM(A1)")
    assert from_csv(to_csv([row]), where="here") == [row]


def test_a_column_from_elsewhere_is_passed_over():
    text = to_csv([ROW]).replace("schema,", "note,schema,", 1).replace("\n1,", "\nhello,1,", 1)
    assert from_csv(text, where="here") == [ROW]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "here: empty file; expected the header of an optbench baseline"),
        ("a,b\n1,2\n", "here: no column 'schema' in the header; expected an optbench baseline"),
        (without("seeds"), "here: no column 'seeds' in the header; expected an optbench baseline"),
        (to_csv([ROW])[:-60], "here, line 2: "),
        (to_csv([ROW]) + "<<<<<<< ours\n", f"here, line 3: 1 cells where the header has {len(COLUMNS)}; truncated?"),
        (changed("schema", str(SCHEMA + 1)), f"here, line 2: schema {SCHEMA + 1} is newer than {SCHEMA}, the newest"),
        (changed("schema", ""), "here, line 2: schema is ''; expected a number"),
        (changed("budget", ""), "here, line 2: column 'budget' is ''; expected a number"),
        (changed("target", "low"), "here, line 2: column 'target' is 'low'; expected a number"),
        (changed("seeds", "0 1"), "here, line 2: column 'seeds' is '0 1'; expected a JSON list of whole numbers"),
        (changed("seeds", "[0,1.5]"), "here, line 2: column 'seeds' is '[0,1.5]'; expected a JSON list of whole"),
        (changed("seeds", "[0,null]"), "here, line 2: column 'seeds' is '[0,null]'; expected a JSON list of whole"),
        (changed("steps", "[true]"), "here, line 2: column 'steps' is '[true]'; expected a JSON list of whole numbers"),
        (changed("initial", "[NaN]"), "here, line 2: column 'initial' is '[NaN]'; expected a JSON list of numbers"),
        (changed("best", "[1e999]"), "here, line 2: column 'best' is '[1e999]'; expected a JSON list of numbers"),
        (changed("best", f"[1{'0' * 400}]"), "here, line 2: column 'best' is '[1000"),
        (
            changed("outcomes", '["a",2]'),
            "here, line 2: column 'outcomes' is '[\"a\",2]'; expected a JSON list of texts",
        ),
        (changed("outcomes", '{"a":1}'), "here, line 2: column 'outcomes' is '{\"a\":1}'; expected a JSON list"),
        (changed("outcomes", "[" * 100_000), "here, line 2: column 'outcomes' is '[[[[["),
        (changed("best", "[1,2]"), "here: Acme on rosenbrock2@2: column 'best' has 2 entries for 3 seeds"),
        (
            changed("outcomes", '["reached","diverged","mist"]'),
            "here: Acme on rosenbrock2@2: unknown outcome 'mist'",
        ),
        (changed("steps", "[120,3,null]"), "here: Acme on rosenbrock2@2: a run is 'diverged' in column 'outcomes'"),
        (changed("kind", "case2"), "here: Acme on rosenbrock2@2: unknown kind 'case2'; did you mean 'case'?"),
        (to_csv([ROW, ROW]), "here: Acme on rosenbrock2@2: two rows of one case; was a merge left unfinished?"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, sentence):
    with pytest.raises(OptbenchError) as error:
        from_csv(text, where="here")
    assert str(error.value).startswith(sentence)
    assert len(str(error.value)) < 200


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path):
    with pytest.raises(OptbenchError, match=r"it\.csv: cannot read the baseline"):
        read_baseline(tmp_path / "it.csv")
    write_atomically(tmp_path / "it.csv", changed("schema", str(SCHEMA + 1)))
    with pytest.raises(OptbenchError, match=rf"it\.csv, line 2: schema {SCHEMA + 1} is newer"):
        read_baseline(tmp_path / "it.csv")


def test_every_outcome_of_a_run_has_its_place():
    for outcome in OUTCOMES:
        steps = 10 if outcome == "reached" else None
        (row,) = from_runs(runs(outcome=outcome, steps_to_target=steps))
        assert from_csv(to_csv([row]), where="here") == [row]


def test_a_baseline_has_the_names_of_the_runs_table():
    known = {one.name for one in fields(Run)} | {"kind", "seeds", "outcomes", "steps", "configuration", "fingerprint"}
    assert set(baseline.COLUMNS) <= known


def test_an_error_quotes_the_beginning_of_a_long_cell():
    text = to_csv([ROW]).replace(",400,", f",{'x' * 300},")
    with pytest.raises(OptbenchError, match=r"column 'budget' is 'x{57}\.\.\.'; expected a number"):
        from_csv(text, where="b.csv")
