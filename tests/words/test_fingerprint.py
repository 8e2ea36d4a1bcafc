"""Fingerprints as plain data: written and read, compared within their tolerance, told apart in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_optbench.words.baseline import from_csv, to_csv
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.fingerprint import (
    STEPS,
    Change,
    Fingerprint,
    changes,
    difference,
    event,
    from_json,
    measured,
    row,
)

STORED = Fingerprint(
    tensors=("7x3", "6"),
    steps=tuple(((1.0, 0.25 * t, -0.5), (1e-3, 0.0, None)) for t in range(1, STEPS + 1)),
    tolerances=(1e-7, 1e-7),
    floors=(1e-15, 1e-15),
    refused={"lr": (-1.0,), "betas.0": (-1.0, 1.0, 1.05, 2.0)},
)


def changed(t: int, k: int, *numbers: float | None, of: Fingerprint = STORED) -> Fingerprint:
    """The fingerprint with other numbers for tensor k in step t."""
    steps = [list(step) for step in of.steps]
    steps[t - 1][k] = numbers
    return replace(of, steps=tuple(map(tuple, steps)))


def test_it_is_read_back_as_it_was_written():
    assert from_json(STORED.to_json(), where="here") == STORED


def test_numbers_are_kept_to_ten_digits_and_what_is_not_finite_is_nothing():
    assert measured([1 / 3, 123456789.0123, float("nan"), float("inf"), 0.0]) == (
        0.3333333333,
        123456789.0,
        None,
        None,
        0.0,
    )


@pytest.mark.parametrize(
    ("numbers", "agrees"),
    [
        ((1.0, 0.75, -0.5), True),
        ((1.0 + 0.9e-7, 0.75, -0.5), True),
        ((1.0, 0.75 + 0.9e-7, -0.5 - 0.9e-7), True),
        ((1.0 + 1.2e-7, 0.75, -0.5), False),
        ((1.0, 0.75 + 1.2e-7, -0.5), False),
        ((1.0, 0.75, 0.5), False),
        ((None, 0.75, -0.5), False),
        ((1.0, 0.75, None), False),
    ],
)
def test_numbers_agree_within_the_tolerance_of_a_step(numbers, agrees):
    assert (difference(changed(3, 0, *numbers), STORED) == "") is agrees


def test_what_is_not_finite_in_both_agrees_and_nothing_else_does():
    assert difference(STORED, STORED) == ""
    assert "the second projection of tensor 1 (6)'s step is 0, stored not finite" in difference(
        changed(2, 1, 1e-3, 0.0, 0.0), STORED
    )


def test_a_projection_is_measured_against_the_whole_step_and_rounding_is_allowed():
    still = changed(4, 1, 0.0, 0.0, 0.0)
    assert difference(changed(4, 1, 1.9e-15, 0.0, 0.0, of=STORED), still) == ""
    assert difference(changed(4, 1, 3e-15, 0.0, 0.0, of=STORED), still)
    near = changed(4, 0, 1.0, 1e-9, 0.0)
    assert difference(changed(4, 0, 1.0, 5e-9, 0.0), near) == ""


def test_the_stored_tolerance_counts_not_that_of_what_is_found():
    off = changed(3, 0, 1.001, 0.75, -0.5)
    assert difference(replace(off, tolerances=(0.1, 0.1)), STORED)
    assert not difference(off, replace(STORED, tolerances=(0.01, 1e-7)))


def test_the_sentence_names_the_first_step_the_tensor_and_the_event():
    off = changed(9, 0, 1.5, 2.25, -0.5, of=changed(12, 1, 1.0, 1.0, 1.0))
    assert difference(off, STORED) == (
        "in step 9, after the missing gradient, the norm of tensor 0 (7x3)'s step is 1.5, stored 1, "
        "0.5 of the stored step apart; 1e-07 of the step is allowed"
    )


@pytest.mark.parametrize(
    ("t", "k", "words"),
    [
        (2, 0, "in step 2"),
        (8, 0, "in step 8, with a missing gradient"),
        (11, 1, "in step 11, with a zero gradient"),
        (13, 0, "in step 13, where the learning rate becomes 0.3 of its first value"),
        (17, 3, "in step 17, with a spike"),
        (18, 3, "in step 18, after the spike"),
        (5, 4, "in step 5, with its first gradient"),
        (26, 0, "in what eval() changes after the last step"),
    ],
)
def test_events_have_names(t, k, words):
    assert event(t, k) == words


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        ({"lr": (-1.0, 0.0), "betas.0": (-1.0, 1.0, 1.05, 2.0)}, "refuses lr=0, which the stored one takes"),
        ({"lr": (-1.0,), "betas.0": (-1.0, 2.0)}, "takes betas.0=1, which the stored one refuses"),
        ({"lr": (-1.0,), "new": (-1.0,)}, ""),
    ],
)
def test_what_is_refused_belongs_to_it(refused, sentence):
    assert difference(replace(STORED, refused=refused), STORED) == sentence


def test_other_tensors_or_another_number_of_steps_are_told():
    assert difference(replace(STORED, tensors=("7x3", "5")), STORED) == "is of tensors 7x3, 5; stored is one of 7x3, 6"
    assert difference(replace(STORED, steps=STORED.steps[:-1]), STORED) == "has 24 steps, the stored one 25"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[2,[1e-7],[0]]",
        '[2,[0],[0],["6"],{}]',
        '[2,[1e-7],[0],["6"],[]]',
        '[2,[1e-7],[0],["6"],{"lr":["0"]}]',
        '[2,[1e-7],[0],["6"],{},[[1,2]]]',
        '[2,[1e-7],[0],["6"],{},[[1,2,"3"]]]',
        '[2,[1e-7],[0],["6"],{},[[1,2,true]]]',
        '[2,[1e-7],[0],["6"],{},[[1,2,NaN]]]',
        '[2,[NaN],[0],["6"],{},[[1,2,3]]]',
        '[2,[1e-7],[0],["6","5"],{},[[1,2,3],[1,2,3]]]',
        "[" * 100000,
    ],
    ids=lambda text: text[:30] or "empty",
)
def test_what_is_no_fingerprint_is_told(text):
    with pytest.raises(OptbenchError, match=r"^here: .* is no fingerprint$"):
        from_json(text, where="here")


def test_one_of_another_version_is_told():
    with pytest.raises(OptbenchError, match="here: a fingerprint of version 1; this is version 2: record it anew"):
        from_json('[1,[1e-7],[0],["6"]]', where="here")


def test_rows_of_a_baseline_are_sorted_by_configuration_and_compared():
    rows = [row(STORED, recipe="Acme", configuration=name) for name in ("default", "amsgrad")]
    read = from_csv(to_csv(rows), where="here")
    assert [one.configuration for one in read] == ["amsgrad", "default"]
    assert {one.kind for one in read} == {"fingerprint"}
    assert changes(rows, read, where="here") == []
    other = row(changed(3, 0, 2.0, 0.0, 0.0), recipe="Acme", configuration="default")
    new = row(STORED, recipe="Acme", configuration="nesterov")
    found = changes([other, new], read, where="here")
    assert [(one.recipe, one.configuration) for one in found] == [("Acme", "default"), ("Acme", "nesterov")]
    assert found[0].sentence.startswith("in step 3, the norm of tensor 0 (7x3)'s step is 2, stored 1")
    assert found[1] == Change("Acme", "nesterov", "has no stored fingerprint")


def test_two_rows_of_one_configuration_are_refused():
    rows = [row(STORED, recipe="Acme", configuration="default")] * 2
    with pytest.raises(OptbenchError, match="two rows of one case"):
        from_csv(to_csv(rows), where="here")
