"""Consistency: each thing that a row may contradict is told, and a sound row contradicts nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_optbench.words.consistency import case_findings, initial_findings
from pytest_optbench.words.run import Run
from pytest_optbench.words.threshold import Threshold

THRESHOLD = Threshold(target=0.1, budget=400, levels=(1.0, 0.1, 0.01))
SUITE = "optbench-1"
SOUND = Run(
    suite=SUITE,
    task="bowl",
    recipe="Acme",
    regime="tuned",
    hyperparameters='{"eps": 1, "lr": 0.1}',
    tuned='{"lr": 0.1}',
    seed=0,
    budget=400,
    eval_every=2,
    initial=5.0,
    target=0.1,
    outcome="reached",
    steps_to_target=40,
    level_steps="[20, 40, null]",
    best=0.08,
    final=0.08,
    curve="[[0,5.0],[20,0.9],[40,0.09],[42,0.08]]",
    trajectory_sha="a" * 64,
)
MISSED = replace(
    SOUND,
    seed=1,
    outcome="missed",
    steps_to_target=None,
    level_steps="[20, null, null]",
    best=0.5,
    final=0.6,
    curve="[[0,5.0],[20,0.9],[398,0.5],[400,0.6]]",
)
TRIAL = replace(SOUND, trial=1, seed=1_000_000, budget=80)


def sentences(*runs, threshold=THRESHOLD):
    return [text for _, text in case_findings(runs, suite=SUITE, threshold=threshold)]


def test_sound_rows_contradict_nothing():
    assert sentences(SOUND, MISSED, TRIAL) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"suite": "optbench-0"}, "suite is 'optbench-0'"),
        ({"target": 0.2}, "target is 0.2; the suite has 0.1"),
        ({"budget": 800}, "budget is 800; the suite has 400"),
        ({"eval_every": 1}, "eval_every is 1; the suite has 2"),
        ({"steps_to_target": 41}, "no multiple of eval_every"),
        ({"steps_to_target": 402}, "and the budget 400"),
        ({"best": 0.2}, "best 0.2 above the target 0.1"),
        ({"best": 0.09}, "best is 0.09, above final, 0.08"),
        ({"best": 0.01}, None),
        ({"initial": 4.0}, "initial is 4.0, and the curve has 5.0"),
        ({"final": 0.09}, "final is 0.09, and the curve has 0.08"),
        ({"curve": "[[0,5.0],[40,0.05],[42,0.08]]"}, "best is 0.08, and the curve has 0.05"),
        ({"curve": "[[0,5.0],[40,0.08]]"}, "before the target was held"),
        ({"curve": "[[0,5.0],[39,0.09],[42,0.08]]"}, "do not ascend from 0 in multiples"),
        ({"curve": "[[2,5.0],[42,0.08]]"}, "do not ascend from 0"),
        ({"curve": "[[0,5.0],[42,0.08],[402,0.08]]"}, "goes on to step 402"),
        ({"curve": "[]"}, "without a curve"),
        ({"level_steps": "[20, 38, null]"}, "has 38 at the target, and steps_to_target is 40"),
        ({"level_steps": "[60, 40, null]"}, "a harder level is reached before an easier one"),
        ({"level_steps": "[20, 40]"}, "expected 3 numbers"),
        ({"level_steps": '["x"]'}, "expected 3 numbers"),
        ({"level_steps": "no json"}, "expected 3 numbers"),
        ({"trajectory_sha": "b" * 63}, "expected 64 hexadecimal digits"),
        ({"tuned": '{"lr": 0.2}'}, "tuned has lr = 0.2, and hyperparameters 0.1"),
        ({"tuned": "{}"}, "regime is 'tuned', and tuned {}"),
        ({"regime": "default", "tuned": "{}"}, "regime is 'default', and hyperparameters"),
        ({"seed": 1_000_000}, "of a scored run"),
    ],
)
def test_what_a_row_contradicts_is_told(changes, words):
    found = sentences(replace(SOUND, **changes))
    assert found == [] if words is None else any(words in one for one in found), found


def test_a_miss_has_used_its_budget():
    (found,) = sentences(SOUND, replace(MISSED, curve="[[0,5.0],[20,0.9],[200,0.5],[202,0.6]]"))
    assert "ends at step 202 of 400" in found


def test_a_choice_of_seeds_is_told():
    (found,) = sentences(SOUND, replace(MISSED, seed=3))
    assert found == "seeds 1, 2 are missing: a choice of seeds is no result"


def test_a_value_that_was_never_tried_is_told():
    (found,) = sentences(SOUND, replace(TRIAL, hyperparameters='{"lr": 0.2}', tuned='{"lr": 0.2}'))
    assert "no trial of tuning had them" in found


def test_a_trial_has_no_more_than_the_budget():
    (found,) = sentences(SOUND, replace(TRIAL, budget=500))
    assert "budget of a trial is 500" in found


def test_trials_alone_are_no_case():
    assert "no run of this case counts" in sentences(TRIAL)[0]


def test_a_task_of_ones_own_is_held_to_itself_alone():
    assert sentences(replace(SOUND, budget=800, level_steps=json.dumps([1])), threshold=None) == []


@pytest.mark.parametrize(("initial", "count"), [(5.0, 0), (5.0 * (1 + 1e-7), 0), (5.001, 1)])
def test_a_seed_starts_where_the_references_do(initial, count):
    assert len(list(initial_findings([replace(SOUND, initial=initial)], {0: 5.0}))) == count
