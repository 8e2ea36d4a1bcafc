"""Calibration: target, budget, par and reference rows of tasks whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from pytest_optbench.machine import calibration, references, search
from pytest_optbench.machine.calibration import LEVELS, SEED_SETS, calibrate
from pytest_optbench.machine.engine.case import CaseRun
from pytest_optbench.machine.references import parse_reference
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tuning import TUNING_SEEDS
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.statistics import median, quantile

FEW = ("AdamW", "SGD", "SGD-momentum")


class Bowl(ExactTask):
    """f(x) = ½ ‖x‖² + 3, from distance 2."""

    name: ClassVar[str] = "bowl"
    source: ClassVar[str] = "tests"
    optimum: ClassVar[float | None] = 3.0
    horizon: ClassVar[int] = 120
    seeds: ClassVar[int] = 4

    def initial(self, streams, constants):
        direction = normal(streams.init, 3)
        return {"x": 2 * direction / direction.norm()}

    def value(self, parameters, constants):
        return 0.5 * parameters["x"].square().sum() + 3


class Unknown(Bowl):
    """The same, and nobody says where its minimum lies."""

    optimum = None


class Hopeless(Bowl):
    """Its value never falls to its optimum."""

    def value(self, parameters, constants):
        return 0.0 * super().value(parameters, constants) + 5


class Floored(Bowl):
    """f(x) = max(½ ‖x‖², 0.015) + 3: its two hardest levels are out of reach."""

    def value(self, parameters, constants):
        return super().value(parameters, constants).clamp(min=3.015)


class TooFar(Bowl):
    """½ ‖x - 1000‖² from 0, in which a step of AdamW is about its learning rate: at lr 1, 120 steps are too few."""

    optimum: ClassVar[float | None] = 0.0

    def initial(self, streams, constants):
        return {"x": 0.1 * normal(streams.init, 3)}

    def value(self, parameters, constants):
        return 0.5 * (parameters["x"] - 1000).square().sum()


@pytest.fixture(autouse=True)
def _few_rates(monkeypatch):
    """Calibration in a second: three learning rates for three references."""
    monkeypatch.setattr(search, "LEARNING_RATES", (0.01, 0.1, 1.0))
    few = {name: references.REFERENCES[name] for name in FEW}
    monkeypatch.setattr(references, "REFERENCES", few)
    monkeypatch.setattr(calibration, "_FLOOR_REFERENCES", ("SGD-momentum", "AdamW"))


@pytest.fixture
def thresholds(monkeypatch):
    """The (name, target, budget, seeds) of everything that is scored."""
    seen = []

    class Seen(CaseRun):
        def __init__(self, case):
            seen.append((case.recipe.name, case.threshold.target, case.threshold.budget, case.seeds))
            super().__init__(case)

    monkeypatch.setattr(calibration, "CaseRun", Seen)
    return seen


def test_seed_sets_are_disjoint():
    every = [*TUNING_SEEDS, *SEED_SETS[0], *SEED_SETS[1]]
    assert len(set(every)) == len(every) == 3 + 32 + 32


def test_levels_lie_between_the_start_and_the_optimum():
    assert calibrate(Bowl()).threshold.levels == pytest.approx([3 + tau * 2 for tau in LEVELS], rel=1e-5)


def test_the_target_is_the_hardest_level_that_par_reaches():
    found = calibrate(Bowl()).threshold
    assert found.target == found.levels[-1]
    assert parse_reference(found.reference, where="here").name == "AdamW"


def test_a_level_that_is_out_of_reach_gives_way_to_the_next():
    found = calibrate(Floored()).threshold
    assert found.target == found.levels[1]


def test_a_level_is_tried_within_the_horizon_and_kept_within_the_budget(thresholds):
    found = calibrate(Floored()).threshold
    (first, second, *others) = thresholds
    assert first == ("AdamW", found.target, Bowl.horizon, SEED_SETS[0][:4])
    assert second == ("AdamW", found.target, Bowl.horizon, SEED_SETS[1][:4])
    assert {(target, budget) for _, target, budget, _ in others} == {(found.target, found.budget)}


def test_the_budget_is_twice_a_high_quantile_in_two_digits(monkeypatch):
    rows = []

    class Kept(CaseRun):
        def rows(self):
            rows.append(super().rows())
            return rows[-1]

    monkeypatch.setattr(calibration, "CaseRun", Kept)
    found = calibrate(Bowl()).threshold
    high = quantile([run.steps for run in rows[0] + rows[1]], 0.9)
    assert 2 * high <= found.budget <= 2.2 * high
    assert found.budget == float(f"{found.budget:.2g}")


def test_an_unknown_optimum_is_replaced_by_what_the_references_reach(thresholds):
    known, unknown = calibrate(Bowl()), calibrate(Unknown())
    assert unknown.threshold.levels == pytest.approx(known.threshold.levels, rel=1e-3)
    by_value = [(name, budget, seeds) for name, target, budget, seeds in thresholds if target == -math.inf]
    assert by_value == [("SGD-momentum", 120, SEED_SETS[0][:4])]


def test_where_par_gets_nowhere_the_fastest_other_reference_sets_the_budget():
    found = calibrate(TooFar())
    assert {row.recipe: row.median_steps for row in found.rows} == {
        "AdamW": math.inf,
        "SGD": 1,
        "SGD-momentum": math.inf,
    }
    assert (found.threshold.reference, found.threshold.budget) == ("SGD(lr=1)", 2)
    assert found.threshold.par is None
    assert found.threshold.target == found.threshold.levels[-1]


def test_every_reference_has_a_row_at_the_threshold():
    found = calibrate(Bowl())
    assert [row.recipe for row in found.rows] == ["AdamW", "SGD", "SGD-momentum"]
    for row in found.rows:
        assert (row.task, row.task_version, row.regime) == ("bowl", 1, "tuned")
        assert (row.target, row.budget, row.eval_every) == (found.threshold.target, found.threshold.budget, 1)
        assert row.seeds == SEED_SETS[0][:4]


def test_par_is_the_median_of_its_row_and_the_reference_has_its_hyperparameters():
    found = calibrate(Bowl())
    (row,) = [row for row in found.rows if row.recipe == "AdamW"]
    assert found.threshold.par == median(row.steps_to_target)
    named = parse_reference(found.threshold.reference, where="here")
    assert named.hyperparameters_json == row.hyperparameters


def test_a_reference_that_does_not_keep_its_own_budget_is_an_error(monkeypatch):
    monkeypatch.setattr(calibration, "_rounded_up", lambda steps: 40)
    with pytest.raises(
        OptbenchError,
        match=r"^task bowl: AdamW\(lr=\S+\) sets the budget, but reaches 3.0002 within 40 steps on 0 of 4 and 0 of 4 "
        r"seeds; the rule is 31 of 32 seeds of both sets$",
    ):
        calibrate(Bowl())


@pytest.mark.parametrize(("missing", "reliable"), [((0,), False), ((2_000_003,), False), ((), True)])
def test_both_sets_of_seeds_must_be_reached(missing, reliable, monkeypatch):
    class Missing(CaseRun):
        def rows(self):
            return [
                replace(run, steps_to_target=None, outcome="missed") if run.seed in missing else run
                for run in super().rows()
            ]

    monkeypatch.setattr(calibration, "CaseRun", Missing)
    if reliable:
        calibrate(Bowl())
    else:
        with pytest.raises(OptbenchError, match="no reference reaches"):
            calibrate(Bowl())


def test_what_a_reference_raises_is_no_miss(monkeypatch):
    class Raises(torch.optim.SGD):
        def step(self, closure=None):
            raise ArithmeticError("no")

    monkeypatch.setattr(references, "REFERENCES", dict.fromkeys(FEW, references.Reference(Raises)))
    with pytest.raises(ArithmeticError):
        calibrate(Unknown())


def test_a_task_that_nobody_solves_is_an_error():
    with pytest.raises(OptbenchError, match=r"^task bowl: no reference reaches .* on 31 of 32 seeds of both sets$"):
        calibrate(Hopeless())


def test_calibrating_twice_finds_the_same():
    assert calibrate(Bowl()) == calibrate(Bowl())


def test_calibrating_leaves_global_generators_and_modes_alone():
    before = torch.get_rng_state()
    calibrate(Bowl())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("task", [Bowl(), Unknown(), Floored(), TooFar()], ids=lambda task: type(task).__name__)
def test_every_step_is_told_with_a_share_below_one(task):
    told = []
    calibrate(task, lambda line, share: told.append((line, share)))
    assert sum(line.startswith("initial ") for line, _ in told) == 1
    assert all(0 < share < 1 for _, share in told)
    assert told[-1][1] > 0.8
    assert len(told) > 6


@pytest.mark.parametrize(
    ("steps", "budget"), [(0, 1), (0.4, 1), (9, 9), (87.2, 88), (100, 100), (101, 110), (1234, 1300)]
)
def test_budgets_are_rounded_up_to_two_digits(steps, budget):
    assert calibration._rounded_up(steps) == budget
