"""A run's bits depend on its seed and recipe alone: not on the engine's mode, nor on who runs beside it."""

from __future__ import annotations

import pytest
import torch
from catalogue import sampled
from harness import (
    CountsInPython,
    Draws,
    DrawsFromNumpy,
    DrawsFromPython,
    DrawsWhenBuilt,
    InPlace,
    Odd,
    Replaces,
    Reseeds,
    Rich,
    SpoilsGradients,
    Unbatchable,
    bits,
    run,
)
from torch.optim import SGD, AdamW, Muon

from pytest_optbench.machine.tasks import BUILTIN

STEPS = 5
SEEDS = (0, 1, 2, 3, 4)
OPTIMIZERS = {"AdamW": (AdamW, {"lr": 0.01}), "SGD": (SGD, {"lr": 0.01, "momentum": 0.9}), "Draws": (Draws, {})}
CASES = [
    *sampled([(task, *OPTIMIZERS[name]) for task in BUILTIN for name in OPTIMIZERS], every=11),
    *sampled([(task, Muon, {"lr": 0.01}) for task in BUILTIN if "matrix" in task.tags], every=5),
]
ODD_OPTIMIZERS = [
    Odd,
    Replaces,
    SpoilsGradients,
    CountsInPython,
    Draws,
    DrawsWhenBuilt,
    DrawsFromNumpy,
    DrawsFromPython,
    Reseeds,
]

every_case = pytest.mark.parametrize(("task", "optimizer", "hyperparameters"), CASES)


def measured(task, optimizer, **options):
    """By seed what a row says of the run itself: the hash of its trajectory, and its signs of health."""
    return {
        seed: (row.trajectory_sha, row.diagnostics, row.unhealthy)
        for seed, row in run(task, optimizer, **options).items()
    }


@every_case
def test_modes_subsets_and_permutations_of_seeds_have_the_same_bits(task, optimizer, hyperparameters):
    options = {"budget": STEPS, "hyperparameters": hyperparameters}
    together = measured(task, optimizer, seeds=SEEDS, **options)
    assert len(set(together.values())) == len(SEEDS)
    others = {
        "stacked": measured(task, optimizer, seeds=SEEDS, engine="stacked", **options),
        "stacked and permuted": measured(task, optimizer, seeds=(4, 2, 0, 1, 3), engine="stacked", **options),
        "sequential": measured(task, optimizer, seeds=SEEDS, engine="sequential", **options),
        "permuted": measured(task, optimizer, seeds=(4, 2, 0, 1, 3), **options),
        "a pair": measured(task, optimizer, seeds=(3, 1), **options),
        "alone": measured(task, optimizer, seeds=(2,), **options),
    }
    assert others == {
        name: {seed: row for seed, row in together.items() if seed in found} for name, found in others.items()
    }


@pytest.mark.parametrize("optimizer", ODD_OPTIMIZERS)
def test_an_odd_optimizer_has_the_same_bits_in_both_modes(optimizer):
    assert bits(Rich(), optimizer) == bits(Rich(), optimizer, engine="sequential")


@pytest.mark.parametrize("optimizer", ODD_OPTIMIZERS)
def test_an_odd_optimizer_has_the_same_bits_on_a_task_that_cannot_be_batched(optimizer):
    both = [bits(Unbatchable(), optimizer, seeds=seeds) for seeds in ((0, 1, 2), (1,))]
    assert both[0][1] == both[1][1]


def test_replacing_the_data_of_a_parameter_equals_writing_into_it():
    assert bits(Rich(), Replaces) == bits(Rich(), InPlace)


def test_what_happens_to_a_gradient_after_the_step_is_of_no_consequence():
    class Tidy(Odd):
        def move(self, parameter, lr):
            parameter.grad.mul_(lr)
            parameter.sub_(parameter.grad)

    assert bits(Rich(), SpoilsGradients) == bits(Rich(), Tidy)


def test_memory_may_be_laid_out_in_another_way_after_the_first_step():
    class Transposed(Rich):
        def memory(self, parameters, constants):
            return {"late": torch.zeros(4, self.lag)}

        def transform(self, gradient, parameters, constants, batch, memory):
            gradient, new = super().transform(gradient, parameters, constants, batch, {"late": memory["late"].T})
            return gradient, {"late": new["late"].T}

    assert bits(Transposed(), Odd) == bits(Rich(), Odd)


@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
def test_a_lane_draws_other_numbers_at_every_step(engine):
    drawn = []

    class Remembers(Odd):
        def misbehave(self):
            drawn.append(torch.rand(()).item())

    run(Rich(), Remembers, seeds=(0, 1), budget=4, engine=engine)
    # The lanes begin anew when the engine notices that they draw; the last run counts.
    assert len(set(drawn[-8:])) == 8


@pytest.mark.parametrize("optimizer", [Draws, DrawsFromNumpy, DrawsFromPython, DrawsWhenBuilt])
def test_lanes_that_draw_at_random_draw_different_numbers(optimizer):
    class Same(Rich):
        def initial(self, streams, constants):
            return {"x": torch.ones(4), "seed": torch.zeros(1)}

        def private(self, streams):
            return {"centre": torch.zeros(4)}

        def batches(self, streams, start, steps, constants):
            return {"noise": torch.zeros(steps, 4)}

    assert len(set(bits(Same(), Odd).values())) == 1
    assert len(set(bits(Same(), optimizer).values())) == 8


def test_lanes_that_finish_early_leave_the_bits_of_the_others_alone():
    # Over 64 steps a new block of data begins, while lanes have been left behind.
    options = {"budget": 120, "target": 1e-2}
    together = run(Rich(), Odd, **options)
    assert len({row.steps_to_target for row in together.values()}) == 8
    assert max(row.steps_to_target for row in together.values()) > 64
    assert {seed: row.trajectory_sha for seed, row in together.items()} == bits(
        Rich(), Odd, engine="sequential", **options
    )


def test_full_budget_changes_nothing_up_to_the_target():
    options = {"budget": 120, "target": 1e-2}
    ended, going_on = run(Rich(), Odd, **options), run(Rich(), Odd, full_budget=True, **options)
    assert {seed: row.steps_to_target for seed, row in ended.items()} == {
        seed: row.steps_to_target for seed, row in going_on.items()
    }
    assert all(row.curve.endswith("]]") and "[120," in row.curve for row in going_on.values())
