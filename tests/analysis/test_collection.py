"""What is kept of tables, and what entries are called."""

from __future__ import annotations

import pytest
from tables import case, run, write

from pytest_optbench.analysis.collection import REFERENCES, SHOWN, Entry, collect, labels
from pytest_optbench.words.errors import OptbenchError


def entry(recipe="Acme", source="a.csv", suite="s1", regime="tuned"):
    return Entry(source, recipe, suite, regime)


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        ([entry(), entry("Zen")], ["Acme", "Zen"]),
        ([entry(), entry(source="dir/b.csv.gz")], ["Acme (a)", "Acme (b)"]),
        ([entry(source="x/a.csv"), entry(source="y/a.csv")], ["Acme (x/a.csv)", "Acme (y/a.csv)"]),
        ([entry(), entry("Zen", regime="default")], ["Acme (tuned)", "Zen (default)"]),
        ([entry(), entry("Zen", suite="s2")], ["Acme (s1)", "Zen (s2)"]),
        ([entry(), entry(source=REFERENCES)], ["Acme (a)", "Acme (reference)"]),
    ],
)
def test_a_name_has_as_much_as_tells_entries_apart(entries, names):
    assert list(labels(entries).values()) == names


def test_regimes_are_never_mixed(tmp_path):
    first = write(tmp_path / "first.csv", case([10, 10], regime="tuned"))
    second = write(tmp_path / "second.csv", case([90, 90], regime="default"))
    found = collect([first, second], curves=False)
    assert [(one.regime, next(iter(found.cases[one].values())).median_steps) for one in found.entries] == [
        ("tuned", 10.0),
        ("default", 90.0),
    ]


def test_versions_of_a_task_are_never_mixed(tmp_path):
    found = collect([write(tmp_path / "a.csv", [*case([10]), *case([20], task_version=2)])], curves=False)
    assert found.tasks() == [("bowl", 1), ("bowl", 2)]


def test_the_best_entries_are_shown_in_the_order_of_the_table(tmp_path):
    many = [one for k in range(SHOWN + 2) for one in case([None if k in (0, 3) else 10], recipe=f"R{k}")]
    found = collect([write(tmp_path / "a.csv", many)])
    assert [one.recipe for one in found.shown] == [f"R{k}" for k in range(SHOWN + 2) if k not in (0, 3)]
    assert {one.recipe for one in found.hidden} == {"R0", "R3"}


def test_who_has_few_tasks_comes_last(tmp_path):
    many = [one for task in ("a", "b", "c") for one in case([None], recipe="Wide", task=task)]
    found = collect([write(tmp_path / "a.csv", [*many, *case([10], recipe="Narrow", task="a")])], curves=False)
    assert [one.recipe for one in found.ranked] == ["Wide", "Narrow"]


def test_curves_are_kept_of_what_is_shown_alone(tmp_path):
    many = [one for k in range(SHOWN + 2) for one in case([None if k in (0, 3) else 10], recipe=f"R{k}")]
    found = collect([write(tmp_path / "a.csv", many)])
    assert [one.recipe for one in found.drawn["bowl", 1]] == [one.recipe for one in found.shown]


def test_curves_wait_until_they_are_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", case([10], diagnostics='{"loss": [[1, 2.0]]}'))
    assert collect([path], curves=False).drawn == {}
    assert collect([path]).histograms["loss"].popitem()[1].count == 1


def test_references_are_entries_of_their_own(tmp_path):
    path = write(tmp_path / "a.csv", case([10], recipe="AdamW", task="sphere10"))
    found = collect([path], references=["AdamW"], curves=False)
    assert list(found.labels.values()) == [
        "AdamW (a, default, optbench-1)",
        "AdamW (reference, tuned, optbench-2026.1)",
    ]


def test_an_unknown_reference_is_told(tmp_path):
    with pytest.raises(OptbenchError, match=r"--references: unknown reference 'AdmaW'; did you mean 'AdamW'\?"):
        collect([write(tmp_path / "a.csv", [run()])], references=["AdmaW"])


def test_who_evaluates_several_gradients_a_step_is_known(tmp_path):
    runs = [*case([10], evaluations=20.0), *case([10], recipe="Zen")]
    found = collect([write(tmp_path / "a.csv", runs)], curves=False)
    assert [one.recipe for one in found.several_gradients] == ["Acme"]
