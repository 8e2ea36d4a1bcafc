"""Signs of health: gradient, update and loss of a step as a plain loop measures them, whoever runs beside a seed."""

from __future__ import annotations

import json
import math

import pytest
import torch
from harness import ODD, SEEDS, Odd, Prompt, Rich, TurnsNaN, Unbatchable, batch_of, make_case, run
from torch.optim import LBFGS, SGD, AdamW

from pytest_optbench.machine.engine.case import CaseRun, new_lane
from pytest_optbench.machine.engine.signs import StepSigns, lane_norms
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.task import instance
from pytest_optbench.words.verdict import explain, judge

BUDGET = 40


class Telling(Prompt):
    """With a sign of health of its own, and examples."""

    sane = {"distance": (0.0, 1e6)}  # noqa: RUF012 - read only

    def diagnostics(self, parameters, constants):
        return {"distance": (parameters["x"] - constants["centre"]).norm()}

    def examples(self, parameters, constants):
        return {"weights": parameters["x"], "larger": parameters["x"] > 0}


def series(row, quantity):
    return [tuple(point) for point in json.loads(row.diagnostics)[quantity]]


def signs(rows):
    return {seed: (row.diagnostics, row.unhealthy) for seed, row in rows.items()}


def by_hand(task, seed, lr=0.1):
    """Loss, gradient norm and update ratio of every step of plain gradient descent, in double precision where norms
    are taken."""
    constants, parameters = instance(task, seed)
    found = []
    for step in range(BUDGET):
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in parameters.items()}
        loss = task.loss(leaves, constants, batch_of(task, seed, step, constants))
        gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        parameters = {
            name: tensor - lr * slope for (name, tensor), slope in zip(parameters.items(), gradients, strict=True)
        }
        before = torch.cat(list(leaves.values())).double()
        update = torch.cat(list(parameters.values())).double() - before
        found.append((loss.item(), torch.cat(gradients).double().norm().item(), (update.norm() / before.norm()).item()))
    return found


@pytest.mark.parametrize("engine", ["lockstep", "stacked"])
def test_signs_are_those_of_a_plain_loop(engine):
    rows = run(Prompt(), SGD, hyperparameters={"lr": 0.1}, budget=BUDGET, engine=engine)
    for seed in (0, 3, 7):
        expected = by_hand(Prompt(), seed)
        for place, quantity in enumerate(("loss", "gradient_norm", "update_ratio")):
            for step, value in series(rows[seed], quantity):
                assert value == pytest.approx(expected[step - 1][place], rel=1e-3), (quantity, step)


def test_few_steps_are_looked_at_and_they_follow_from_the_schedule():
    rows = [run(Prompt(), optimizer, budget=BUDGET)[0] for optimizer in (Odd, AdamW)]
    assert [[step for step, _ in series(row, "gradient_norm")] for row in rows] == [
        [1, 2, 3, 4, 5, 6, 8, 10, 14, 19, 26, 35]
    ] * 2
    curve = {step for step, _ in json.loads(rows[0].curve)}
    assert {step - 1 for step, _ in series(rows[0], "gradient_norm")} <= curve


def test_signs_end_with_the_record_whatever_is_run_after_it():
    options = {"budget": 150, "target": 1e-2}
    ended, going_on = run(Telling(), Odd, **options), run(Telling(), Odd, full_budget=True, **options)
    assert signs(ended) == signs(going_on)
    assert all(series(row, "loss")[-1][0] <= row.steps_to_target + 1 for row in ended.values())


@pytest.mark.parametrize("task", [Rich(), Telling(), Unbatchable()], ids=lambda task: type(task).__name__)
def test_signs_of_a_seed_are_the_same_in_every_mode_and_company(task):
    options = {"budget": BUDGET, "target": 1e-1, "hyperparameters": {"lr": 0.1}}
    together = signs(run(task, AdamW, **options))
    others = [
        run(task, AdamW, engine="stacked", **options),
        run(task, AdamW, engine="sequential", **options),
        run(task, AdamW, seeds=(5, 2), **options),
        run(task, AdamW, seeds=(3,), **options),
    ]
    for other in others:
        assert signs(other) == {seed: together[seed] for seed in other}


def test_a_stack_shows_the_first_signs_of_trouble_that_separate_seeds_show():
    class Leaps(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.mul_(1e5)

    stacked, lockstep = (run(Prompt(), Leaps, engine=engine) for engine in ("stacked", "lockstep"))
    assert stacked[0].engine == "stacked"
    assert signs(stacked) == signs(lockstep)
    assert all(row.unhealthy.startswith("update_ratio") and "at step 1," in row.unhealthy for row in stacked.values())


def test_one_seed_out_of_range_is_told_of_in_its_own_row_and_in_the_failure():
    rows = run(Prompt(), TurnsNaN, budget=BUDGET)
    assert {seed for seed, row in rows.items() if row.unhealthy} == {ODD}
    assert rows[ODD].unhealthy.startswith("update_ratio nan at step 4,")
    text = explain(judge(list(rows.values())), list(rows.values()))
    assert f"\n  first out of range: {rows[ODD].unhealthy} (1 of 8 seeds)\n" in text


def test_an_optimizer_that_never_moves_is_told_of():
    rows = run(Prompt(), SGD, hyperparameters={"lr": 0.0})
    assert {row.unhealthy for row in rows.values()} == {"update_ratio 0 at step 1, sane from 1e-09"}


def test_a_task_says_when_its_own_sign_is_out_of_range():
    class Strict(Telling):
        sane = {"distance": (0.0, 100.0)}  # noqa: RUF012 - read only

    far = {seed: row.unhealthy for seed, row in run(Strict(), Odd).items() if row.unhealthy}
    assert set(far) == {6, 7}
    assert all(text.startswith("distance ") and "at step 0, sane up to 100" in text for text in far.values())


def test_closures_show_the_first_gradient_of_a_step():
    rows = run(Prompt(), LBFGS, hyperparameters={"max_iter": 3, "lr": 0.5}, budget=4)
    plain = run(Prompt(), SGD, hyperparameters={"lr": 0.1}, budget=4)
    for seed in SEEDS:
        for quantity in ("loss", "gradient_norm"):
            assert series(rows[seed], quantity)[0] == series(plain[seed], quantity)[0]


def test_a_gradient_with_a_graph_shows_the_same_signs():
    class SecondOrder(Odd):
        def misbehave(self):
            ones = torch.ones_like(self.weights)
            torch.autograd.grad(self.weights.grad, self.weights, grad_outputs=ones, retain_graph=True)

    case = CaseRun(make_case(Prompt(), SecondOrder))
    case.run()
    assert case.case.capabilities.needs_graph
    assert signs({row.seed: row for row in case.rows()}) == signs(run(Prompt(), Odd))


def test_the_weights_of_both_modes_are_each_looked_at_in_their_own():
    class Averages(Odd):
        """Steps at one set of weights, shows another that is 0."""

        def train(self):
            if hasattr(self, "kept"):
                self.weights.data.copy_(self.kept)

        def eval(self):
            self.kept = self.weights.detach().clone()
            self.weights.data.zero_()

    class Sized(Telling):
        def diagnostics(self, parameters, constants):
            return {"size": parameters["x"].norm()}

    row = run(Sized(), Averages)[0]
    assert {value for _, value in series(row, "size")} == {0.0}
    assert series(row, "loss") == series(run(Sized(), Odd)[0], "loss")


def test_parameters_of_zero_have_no_update_ratio():
    class Zero(Prompt):
        def initial(self, streams, constants):
            return {name: torch.zeros_like(tensor) for name, tensor in super().initial(streams, constants).items()}

    row = run(Zero(), Odd)[0]
    assert [step for step, _ in series(row, "update_ratio")] == [
        step for step, _ in series(row, "gradient_norm") if step > 1
    ]
    assert row.unhealthy == ""


@pytest.mark.parametrize("engine", ["stacked", "lockstep", "sequential"])
def test_the_first_seed_of_a_case_keeps_examples(engine):
    options = {"budget": 150, "target": 1e-2, "hyperparameters": {"lr": 0.1}}
    rows = run(Telling(), SGD, seeds=(3, 1, 2, 0), engine=engine, **options)
    assert [seed for seed, row in rows.items() if row.examples] == [3]
    found = json.loads(rows[3].examples)
    assert (len(found["weights"]), {type(one) for one in found["larger"]}) == (4, {bool})
    assert rows[3].examples == run(Telling(), SGD, seeds=(3,), **options)[3].examples


def test_a_task_without_examples_has_none():
    assert {row.examples for row in run(Prompt(), Odd).values()} == {""}


class Plane(ExactTask):
    """f(x, y) = x² + y², from (1, -2)."""

    name = "plane"
    source = "tests"
    horizon = BUDGET

    def initial(self, streams, constants):
        return {"x": torch.tensor(1.0), "y": torch.tensor([-2.0])}

    def value(self, parameters, constants):
        return parameters["x"].square() + parameters["y"].square().sum()


@pytest.mark.parametrize("engine", ["stacked", "lockstep", "sequential"])
def test_the_first_seed_keeps_its_way_through_a_plane(engine):
    rows = run(Plane(), SGD, seeds=(3, 1, 2, 0), engine=engine, budget=BUDGET, target=0.0, hyperparameters={"lr": 0.1})
    assert [seed for seed, row in rows.items() if row.examples] == [3]
    way = json.loads(rows[3].examples)["trajectory"]
    assert [step for step, _, _ in way] == list(range(BUDGET + 1))
    for step, x, y in way:
        assert (x, y) == pytest.approx((0.8**step, -2 * 0.8**step), rel=1e-3)


def test_a_way_ends_with_its_record():
    rows = run(Plane(), SGD, seeds=(3,), budget=400, target=1e-3, hyperparameters={"lr": 0.01})
    steps = [step for step, _, _ in json.loads(rows[3].examples)["trajectory"]]
    assert 30 < len(steps) < 80
    assert steps[-1] <= rows[3].steps_to_target + 2 * rows[3].eval_every


def test_a_lane_outside_a_case_run_is_not_looked_at():
    lane = new_lane(make_case(Prompt(), Odd), 0)
    assert (lane.health, lane.examples, lane.examined) == (None, None, False)


def test_seeds_that_never_ran_show_nothing():
    rows = CaseRun(make_case(Prompt(), Odd)).rows()
    assert {(row.diagnostics, row.unhealthy, row.examples) for row in rows} == {("", "", "")}


def test_norms_are_over_all_parameters_and_beyond_single_precision():
    tensors = {"a": torch.tensor([[3e30, 0.0], [1.0, 2.0]]), "b": torch.tensor([4e30, 2.0])}
    assert lane_norms(tensors).tolist() == pytest.approx([5e30, 3.0])


def test_what_the_step_writes_into_is_remembered_as_it_was():
    parameters = {"x": torch.tensor([[1.0], [2.0]])}
    step = StepSigns(parameters)
    parameters["x"].add_(1.0)
    assert step.after(parameters) == {"update_ratio": [1.0, 0.5]}
    assert math.isnan(step.after({"x": torch.tensor([[math.nan], [2.0]])})["update_ratio"][0])
