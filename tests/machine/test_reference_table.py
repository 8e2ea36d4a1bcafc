"""The shipped reference table: it agrees with the thresholds, and its rows come out again when they are run again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from catalogue import sampled

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.environment import environment
from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import PAR, parse_reference, reference_recipe, references_of
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.words.baseline import shipped_reference
from pytest_optbench.words.threshold import shipped_thresholds
from pytest_optbench.words.verdict import ALMOST_ALL

SEEDS = 8
TASKS = {(task.name, task.version): task for task in BUILTIN}
ROWS = shipped_reference()
THRESHOLDS = shipped_thresholds()
UNIT = [key for key, task in TASKS.items() if task.tier == "unit"]
SMALL = [key for key, task in TASKS.items() if task.tier == "small"]


def in_turn(keys):
    """A row of each of the tasks, with the references that it has in turn."""
    names = [references_of(TASKS[key]) for key in keys]
    return [(some[k % len(some)], *key) for k, (some, key) in enumerate(zip(names, keys, strict=True))]


SAMPLE = [*sampled(in_turn(UNIT), every=3), *sampled(in_turn(SMALL), every=8, first=3)]
every_threshold = pytest.mark.parametrize("key", THRESHOLDS, ids=lambda key: key[0])


def repeated(row):
    """The runs of the row's first seeds, run again."""
    recipe = replace(reference_recipe(row.recipe), hyperparameters=json.loads(row.hyperparameters))
    case = CaseRun(
        Case(
            recipe=recipe,
            capabilities=validate(recipe),
            task=TASKS[row.task, row.task_version],
            threshold=THRESHOLDS[row.task, row.task_version],
            seeds=row.seeds[:SEEDS],
        )
    )
    case.run()
    return case.rows()


def same_machine(row):
    return all(getattr(row, name) == environment()[name] for name in ("torch", "cpu", "platform"))


def alike(steps, stored):
    """Within a tenth of each other; two misses are alike."""
    return steps == stored or abs(steps - stored) <= 0.1 * stored < math.inf


def pairs_of(row):
    """Steps as run again and as stored, by seed; every run starts where it started."""
    runs = repeated(row)
    assert [run.initial for run in runs] == pytest.approx(list(row.initial[:SEEDS]), rel=1e-6)
    return list(zip([run.steps for run in runs], row.steps_to_target[:SEEDS], strict=True))


@pytest.mark.parametrize(("name", "task", "version"), SAMPLE)
def test_a_sample_of_the_rows_comes_out_again(name, task, version):
    """On whatever machine: another CPU changes bits, and hardly ever steps by a tenth."""
    pairs = pairs_of(ROWS[name, task, version])
    assert sum(alike(steps, stored) for steps, stored in pairs) >= len(pairs) - 1, pairs


@pytest.mark.full
@every_threshold
def test_every_row_comes_out_again_exactly(key):
    """On the kind of machine that made the table, to the step."""
    for row in (ROWS[(name, *key)] for name in references_of(TASKS[key])):
        if not same_machine(row):
            pytest.skip("another torch, platform or CPU capability than the table's")
        assert all(steps == stored for steps, stored in pairs_of(row)), row.recipe


def test_the_full_sample_has_every_task():
    assert {param.values[1:] for param in SAMPLE} == set(TASKS)


@every_threshold
def test_every_reference_has_a_row_at_the_threshold(key):
    threshold = THRESHOLDS[key]
    for name in references_of(TASKS[key]):
        row = ROWS[(name, *key)]
        assert (row.target, row.budget, row.eval_every) == (threshold.target, threshold.budget, threshold.eval_every)
        assert row.seeds == tuple(range(TASKS[key].seeds))
        assert (row.regime, row.tier, row.optimum) == ("tuned", TASKS[key].tier, TASKS[key].optimum)


@every_threshold
def test_par_is_the_median_of_tuned_adamw(key):
    median = ROWS[(PAR, *key)].median_steps
    assert THRESHOLDS[key].par == (None if math.isinf(median) else median)


@every_threshold
def test_what_set_the_budget_keeps_it(key):
    recipe = parse_reference(THRESHOLDS[key].reference, where="thresholds.csv")
    row = ROWS[(recipe.name, *key)]
    assert json.loads(row.hyperparameters) == recipe.hyperparameters
    assert row.outcomes.count("reached") >= ALMOST_ALL * len(row.seeds)


def test_the_table_holds_nothing_else():
    assert set(ROWS) == {(name, *key) for key in THRESHOLDS for name in references_of(TASKS[key])}
    assert set(THRESHOLDS) == {key for key, task in TASKS.items() if task.threshold is None}


@pytest.mark.parametrize(
    ("steps", "stored", "expected"),
    [
        (110, 100, True),
        (111, 100, False),
        (90, 100, True),
        (89, 100, False),
        (math.inf, math.inf, True),
        (math.inf, 100, False),
        (100, math.inf, False),
    ],
)
def test_steps_are_alike_within_a_tenth(steps, stored, expected):
    assert alike(steps, stored) is expected
