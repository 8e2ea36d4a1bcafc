"""Calibration: targets, budget and par of tasks whose answer is known."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from pytest_optbench.machine import calibration
from pytest_optbench.machine.calibration import LEVELS, SEED_SETS, TUNING_SEEDS, calibrate, calibrate_all
from pytest_optbench.machine.references import parse_reference
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.words.errors import OptbenchError


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


@pytest.fixture(autouse=True)
def _few_rates(monkeypatch):
    """Calibration in a second: three learning rates for three references."""
    monkeypatch.setattr(calibration, "LEARNING_RATES", (0.01, 0.1, 1.0))
    few = {name: calibration.REFERENCES[name] for name in ("AdamW", "SGD", "SGD-momentum")}
    monkeypatch.setattr(calibration, "REFERENCES", few)
    monkeypatch.setattr(calibration, "_FLOOR_REFERENCES", ("SGD-momentum", "AdamW"))


def test_seed_sets_are_disjoint():
    every = [*TUNING_SEEDS, *SEED_SETS[0], *SEED_SETS[1]]
    assert len(set(every)) == len(every) == 3 + 32 + 32


def test_levels_lie_between_the_start_and_the_optimum():
    assert calibrate(Bowl()).levels == pytest.approx([3 + tau * 2 for tau in LEVELS], rel=1e-5)


def test_the_target_is_the_hardest_level_that_par_reaches():
    found = calibrate(Bowl())
    assert found.target == found.levels[-1]
    assert parse_reference(found.reference, where="here").name == "AdamW"


def test_the_budget_is_twice_a_high_quantile_in_two_digits():
    found = calibrate(Bowl())
    assert found.par is not None
    assert 2 * found.par <= found.budget <= 2.8 * found.par
    assert found.budget == float(f"{found.budget:.2g}")


def test_an_unknown_optimum_is_replaced_by_what_the_references_reach():
    known, unknown = calibrate(Bowl()), calibrate(Unknown())
    assert unknown.levels == pytest.approx(known.levels, rel=1e-3)


def test_a_task_that_nobody_solves_is_an_error():
    with pytest.raises(OptbenchError, match=r"^task bowl: no reference reaches .* on 31 of 32 seeds"):
        calibrate(Hopeless())


def test_calibrating_twice_finds_the_same():
    assert calibrate(Bowl()) == calibrate(Bowl())


def test_calibrating_leaves_global_generators_and_modes_alone():
    before = torch.get_rng_state()
    calibrate(Bowl())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_tasks_are_calibrated_one_after_another():
    lines = []
    found = calibrate_all([Bowl(), Unknown()], lines.append)
    assert lines == []
    task, threshold = next(found)
    assert (task, threshold) == (Bowl(), calibrate(Bowl()))
    assert lines[0].startswith("bowl: initial 5, floor 3")


@pytest.mark.parametrize(("steps", "budget"), [(0.4, 1), (9, 9), (87.2, 88), (100, 100), (101, 110), (1234, 1300)])
def test_budgets_are_rounded_up_to_two_digits(steps, budget):
    assert calibration._rounded_up(steps) == budget
