"""A stored baseline: what saving makes of its rows, and what is taken from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_optbench.words.baseline import BaselineRow, from_runs, read_baseline
from pytest_optbench.words.lock import exclusive
from pytest_optbench.words.run import Run
from pytest_optbench.words.stored import Stored, save, tuned_values, updated

Place = tuple[str, str, int, str]


def row(task: str, version: int = 1, **changes: object) -> BaselineRow:
    (made,) = from_runs([Run(recipe="r", task=task, task_version=version, target=1.0, budget=1)])
    return replace(made, **changes)  # type: ignore[arg-type]


A, B, NEW = row("a"), row("b"), row("a", budget=2)


@pytest.mark.parametrize(
    ("stored", "found", "only_new", "gone", "expected"),
    [
        ([], [A], False, (), [A]),
        ([A], [], False, (), [A]),
        ([A], [B], False, (), [A, B]),
        ([A, B], [NEW], False, (), [NEW, B]),
        ([A], [NEW, B], True, (), [A, B]),
        ([row("a", 1), B], [row("a", 2)], False, (), [row("a", 2), B]),
        ([A, B], [], False, (B.place,), [A]),
        ([A, B], [], True, (B.place,), [A, B]),
    ],
    ids=["first", "nothing ran", "another", "again", "only new", "version", "gone", "gone, only new"],
)
def test_what_a_file_holds_afterwards(
    stored: Sequence[BaselineRow],
    found: Sequence[BaselineRow],
    only_new: bool,
    gone: Sequence[Place],
    expected: Sequence[BaselineRow],
) -> None:
    after = updated(stored, found, only_new=only_new, gone=gone)
    assert sorted(after, key=lambda one: one.place) == sorted(expected, key=lambda one: one.place)


def test_saving_tells_what_it_wrote_and_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "base.csv"
    assert save(path, [A]) == [A]
    assert save(path, [NEW, B], only_new=True) == [B]
    assert read_baseline(path) == [A, B]
    assert [one.name for one in tmp_path.iterdir()] == ["base.csv"]


def test_a_lock_is_let_go_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "it"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "it"):
        pass


def test_a_case_is_found_under_its_latest_other_version() -> None:
    stored = Stored("", (row("a", 1), row("a", 3)))
    assert stored.case(("r", "a", 1)) == row("a", 1)
    assert stored.case(("r", "a", 2)) == row("a", 3)
    assert stored.case(("r", "b", 1)) is None


@pytest.mark.parametrize(
    ("text", "regime", "expected"),
    [
        ('{"lr": 0.1}', "tuned", {"lr": 0.1}),
        ('{"lr": 0.7, "eps": 1}', "tuned", {"lr": 0.7}),
        ('{"lr": 0.1}', "fixed", None),
        ('{"eps": 0.1}', "tuned", None),
        ('{"lr": NaN}', "tuned", None),
        ('{"lr": "0.1"}', "tuned", None),
        ('{"lr": true}', "tuned", None),
        ('{"lr": [0.1]}', "tuned", None),
    ],
)
def test_tuned_values_are_taken_where_they_are_of_the_right_kind(
    text: str, regime: str, expected: dict[str, float] | None
) -> None:
    found = tuned_values(row("a", hyperparameters=text, regime=regime), {"lr": (0.05, 0.1)})
    assert found == expected
