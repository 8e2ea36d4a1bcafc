"""Reviews: what two files say as a whole, and what a session's own rulings make of its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_optbench.words.baseline import from_runs
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.fingerprint import STEPS, Fingerprint
from pytest_optbench.words.fingerprint import row as fingerprint_row
from pytest_optbench.words.gate import DEFAULT_FAIL_ON
from pytest_optbench.words.results import Results
from pytest_optbench.words.review import review, review_session
from pytest_optbench.words.run import Run


def runs(task="bowl", steps=100, count=32, **rest):
    made = {"outcome": "reached", "steps_to_target": steps} if steps else {"outcome": "missed"}
    made |= {"recipe": "Acme", "task": task, "budget": 900, "target": 0.1, "best": 0.05, "trajectory_sha": f"{steps}"}
    return [Run(**{**made, "initial": 1.0 + seed, "seed": seed, **rest}) for seed in range(count)]


def fingerprint(norm=1.0, configuration="default"):
    steps = tuple(((norm, 0.5, 0.5),) for _ in range(STEPS + 1))
    return fingerprint_row(Fingerprint(("3",), steps, (1e-7,), (0.0,)), recipe="Acme", configuration=configuration)


def compared(before, after, **rest):
    sides = [Results(where=name, rows=tuple(rows)) for name, rows in (("a.csv", before), ("b.csv", after))]
    return review(*sides, **{"alpha": 0.001, "tolerance": 0.05, "fail_on": DEFAULT_FAIL_ON, **rest})


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([fingerprint()], [fingerprint()], "unchanged"),
        ([fingerprint()], [fingerprint(1.1)], "changed"),
        ([fingerprint()], [fingerprint(), fingerprint(configuration="decay")], "changed"),
        ([fingerprint(), fingerprint(configuration="decay")], [fingerprint()], "changed"),
        ([], [fingerprint()], "changed"),
        ([], [], "changed"),
    ],
)
def test_equal_fingerprints_certify_another_machine(before, after, change):
    cases = from_runs(runs()), from_runs(runs(steps=101, torch="2"))
    (case,) = compared([*cases[0], *before], [*cases[1], *after]).cases
    assert case.comparison.change == change


def test_alpha_is_shared_by_the_tasks_of_the_recipe():
    tasks = [f"t{k}" for k in range(200)]
    before = [row for task in tasks for row in from_runs(runs(task))]
    assert {case.comparison.evidence.level for case in compared(before, before).cases} == {0.001 / 200}


def test_a_fingerprint_that_one_side_lacks_is_no_change():
    found = compared([fingerprint()], [fingerprint(), fingerprint(2.0, "decay")])
    assert (found.fingerprints, found.fingerprints_compared, found.passed) == ((), 1, True)


@pytest.mark.parametrize(("fail_on", "passed"), [({"fingerprint"}, False), ({"slower"}, True)])
def test_a_changed_fingerprint_fails_if_that_was_asked_for(fail_on, passed):
    found = compared([fingerprint()], [fingerprint(1.1)], fail_on=frozenset(fail_on))
    assert (len(found.fingerprints), found.passed) == (1, passed)


def test_nothing_to_compare_is_a_mistake():
    with pytest.raises(OptbenchError, match=r"a\.csv and b\.csv: no case and no common fingerprint to compare"):
        compared([fingerprint()], [])


@pytest.mark.parametrize(
    ("after", "failure"),
    [
        (runs(verdict="passed"), ""),
        (runs(verdict="failed"), "reaches the target, and fails: "),
        (runs(steps=None, verdict="failed"), "missed: 0 of 32 seeds reach the target"),
        (runs(steps=None, verdict="xfailed"), ""),
        (runs(steps=None, verdict="reported"), ""),
        (runs(outcome="crashed", steps=None, verdict="failed"), "32 of 32 seeds crashed or timed out"),
    ],
)
def test_a_session_is_taken_at_its_word(after, failure):
    (case,) = review_session(after).cases
    assert case.failure.startswith(failure)
    assert bool(case.failure) == bool(failure)


def test_the_word_of_the_session_stands_beside_the_figures():
    before = from_runs(runs())
    (case,) = review_session(runs(steps=101, change="unchanged", verdict="passed"), before=before).cases
    assert (case.comparison.change, case.comparison.before.median_steps) == ("unchanged", 100)


def test_what_cannot_be_compared_says_why():
    (case,) = review_session(runs(count=8, verdict="failed"), before=from_runs(runs(count=8))).cases
    assert "no fewer than 17 can decide" in case.comparison.reason


def test_what_is_gone_is_a_case():
    before = from_runs([*runs(), *runs("lost")])
    found = review_session(runs(verdict="passed"), before=before, gone={before[1].place})
    assert [(case.comparison.task, case.comparison.change, bool(case.failure)) for case in found.cases] == [
        ("lost", "gone", True),
        ("bowl", "unchanged", False),
    ]


def test_inner_runs_and_tuning_are_no_cases():
    assert review_session([*runs(recipe="test/SGD"), *(replace(run, trial=1) for run in runs())]).cases == ()
