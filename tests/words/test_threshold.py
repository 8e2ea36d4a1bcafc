"""Thresholds: targets and budgets as data."""

from __future__ import annotations

import pytest

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import (
    Threshold,
    merge_thresholds,
    parse_thresholds,
    read_thresholds,
    shipped_thresholds,
    thresholds_csv,
)

HARD = Threshold(target=0.1 + 0.2, budget=400, par=102.5, levels=(1.0, 1e-45), reference="AdamW(lr=0.1)")
EASY = Threshold(target=-1.0, budget=90)
ORDER = ("first", "second")


def merged(path, found):
    merge_thresholds(path, found, order=ORDER)
    return read_thresholds(path)


@pytest.mark.parametrize(("budget", "every"), [(1, 1), (199, 1), (200, 1), (399, 1), (400, 2), (2400, 12)])
def test_about_two_hundred_evaluations_fit_into_a_budget(budget, every):
    assert Threshold(target=0.0, budget=budget).eval_every == every


@pytest.mark.parametrize("threshold", [HARD, EASY], ids=["full", "bare"])
def test_a_threshold_is_read_back_exactly(threshold, tmp_path):
    assert merged(tmp_path / "it.csv", {("first", 1): threshold}) == {("first", 1): threshold}


def test_other_tasks_are_kept(tmp_path):
    path = tmp_path / "it.csv"
    merged(path, {("first", 1): HARD})
    assert merged(path, {("second", 1): EASY}) == {("first", 1): HARD, ("second", 1): EASY}


@pytest.mark.parametrize("version", [1, 2])
def test_a_new_threshold_replaces_every_version_of_its_task(version, tmp_path):
    path = tmp_path / "it.csv"
    merged(path, {("first", 1): HARD, ("second", 1): HARD})
    assert merged(path, {("first", version): EASY}) == {("first", version): EASY, ("second", 1): HARD}


def test_rows_are_in_the_order_of_the_catalogue_then_by_name(tmp_path):
    found = merged(tmp_path / "it.csv", {(name, 1): EASY for name in ("z", "second", "a", "first")})
    assert list(found) == [("first", 1), ("second", 1), ("a", 1), ("z", 1)]


def test_merging_the_same_again_changes_no_byte(tmp_path):
    path = tmp_path / "it.csv"
    merged(path, {("first", 1): HARD, ("second", 1): EASY})
    before = path.read_bytes()
    merged(path, {("first", 1): HARD})
    assert path.read_bytes() == before


def test_shipped_levels_run_from_easy_to_hard_and_hold_the_target():
    for (name, _), threshold in shipped_thresholds().items():
        assert list(threshold.levels) == sorted(threshold.levels, reverse=True), name
        assert threshold.target in threshold.levels, name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("task,task_version\na,1\n", "here, line 2: no threshold (KeyError('target'))"),
        (thresholds_csv({("a", 1): HARD}, order=()).replace("400", "4e2"), "here, line 2: no threshold (ValueError("),
        (thresholds_csv({("a", 1): HARD}, order=())[:-40], "here, line 2: no threshold ("),
        (thresholds_csv({("a", 1): EASY}, order=()) + "b,1\n", "here, line 3: no threshold (TypeError("),
    ],
)
def test_what_is_no_threshold_is_told_with_its_place(text, sentence):
    with pytest.raises(OptbenchError) as error:
        parse_thresholds(text, where="here")
    assert str(error.value).startswith(sentence)


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path):
    (tmp_path / "it.csv").write_bytes(b"\xff")
    with pytest.raises(OptbenchError, match=r"it\.csv: cannot read the thresholds"):
        merged(tmp_path / "it.csv", {})
