"""Acceptance: what a baseline takes over, and what stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_optbench.words.acceptance import accept
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.fingerprint import STEPS, Fingerprint
from pytest_optbench.words.fingerprint import row as fingerprint_row


def case(task="bowl", steps=(10, 12, 14), **rest):
    made = {
        "recipe": "Acme",
        "task": task,
        "task_version": 1,
        "budget": 90,
        "eval_every": 1,
        "target": 0.1,
        "seeds": tuple(range(len(steps))),
        "initial": (1.0,) * len(steps),
        "outcomes": tuple("missed" if one is None else "reached" for one in steps),
        "steps": tuple(steps),
        "best": (0.05,) * len(steps),
        "trajectory_sha": f"sha of {steps}",
        "torch": "2.13",
    }
    return BaselineRow(**{**made, **rest})


def fingerprint(norm=1.0, configuration="default", **rest):
    steps = tuple(((norm, 0.5, 0.5),) for _ in range(STEPS + 1))
    made = fingerprint_row(Fingerprint(("3",), steps, (1e-7,), (0.0,)), recipe="Acme", configuration=configuration)
    return replace(made, **rest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (case(), case(torch="2.14")),
        (case(), case(steps=(10, 12))),
        (case(hyperparameters='{"a":1,"b":2}'), case(hyperparameters='{"b": 2, "a": 1}')),
        (fingerprint(), fingerprint(1 + 1e-9, torch="2.14")),
    ],
)
def test_what_holds_stays_as_it_is(before, after):
    accepted = accept([before], [after])
    assert (accepted.rows, accepted.sentences) == ((before,), ())


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (case(), case(steps=(20, 22, 24)), "Acme on bowl@1: 22 steps, 12 before"),
        (case(), case(trajectory_sha="x"), "Acme on bowl@1: 12 steps, 12 before"),
        (case(trajectory_sha=""), case(trajectory_sha=""), "Acme on bowl@1: 12 steps, 12 before"),
        (case(), case(steps=(10, 12, 14, 16)), "Acme on bowl@1: 13 steps, 12 before"),
        (
            case(),
            case(steps=(10, None, None)),
            "Acme on bowl@1: 1 of 3 seeds reach it, 12 before, a known miss from now on",
        ),
        (case(steps=(None,) * 3), case(), "Acme on bowl@1: 12 steps, no before"),
        (case(), case(budget=80), "Acme on bowl@1: 12 steps, 12 before (budget was 90 and is 80)"),
        (
            case(),
            case(task_version=2),
            "Acme on bowl@2: 12 steps, 12 before (task version was 1 and is 2)",
        ),
        (
            fingerprint(),
            fingerprint(1.1),
            "fingerprint of Acme default: in step 1, the norm of tensor 0 (3)'s step is 1.1, stored 1, "
            "0.1 of the stored step apart; 1e-07 of the step is allowed",
        ),
        (
            fingerprint(task_version=0),
            fingerprint(),
            "fingerprint of Acme default: of another version of the script",
        ),
    ],
)
def test_what_differs_is_taken_over_and_told(before, after, sentence):
    accepted = accept([before], [after])
    assert (accepted.rows, accepted.sentences) == ((after,), (sentence,))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (case("new"), "Acme on new@1: new, 12 steps"),
        (case("new", (None,)), "Acme on new@1: new, 0 of 1 seeds reach it, a known miss from now on"),
        (fingerprint(), "fingerprint of Acme default: new"),
    ],
)
def test_what_is_not_there_is_added(row, sentence):
    assert accept([], [row]).sentences == (sentence,)


def test_what_the_results_lack_stays():
    stored = (case("a"), case("b", task_version=1), case("b", task_version=2), fingerprint())
    assert set(accept(stored, [case("c")]).rows) == {*stored, case("c")}


@pytest.mark.parametrize(
    ("found", "gone"),
    [
        ([case("a")], [case("b")]),
        ([case("a", recipe="Other")], [case("a"), case("b"), fingerprint(), fingerprint(configuration="decay")]),
        ([case("a"), fingerprint()], [case("b"), fingerprint(configuration="decay")]),
    ],
)
def test_what_the_results_lack_is_removed_on_demand(found, gone):
    stored = [case("a"), case("b"), fingerprint(), fingerprint(configuration="decay")]
    accepted = accept(stored, found, remove_gone=True)
    assert {row.place for row in stored} - {row.place for row in accepted.rows} == {row.place for row in gone}
    assert sum(sentence.endswith(": removed") for sentence in accepted.sentences) == len(gone)


@pytest.mark.parametrize("outcome", ["crashed", "timeout"])
def test_what_broke_is_refused(outcome):
    broken = [case(task, (None, 1, 2), outcomes=(outcome, "reached", "reached")) for task in "abcde"]
    with pytest.raises(OptbenchError) as error:
        accept([], [case("fine"), *broken])
    assert str(error.value) == (
        "Acme on a@1, Acme on b@1, Acme on c@1 and 2 more: crashed or timed out, which no baseline takes over; "
        "nothing is written"
    )
