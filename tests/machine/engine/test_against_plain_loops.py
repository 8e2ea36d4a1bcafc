"""A run ends where an ordinary training loop would: zero the gradients, loss, backward, step."""

from __future__ import annotations

import json

import pytest
import torch
from catalogue import sampled
from harness import Odd, Prompt, Rich, Unbatchable, batch_of, by_hand, run
from torch.optim import LBFGS, SGD, AdamW
from torch.optim.lr_scheduler import LambdaLR

from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.task import Task, instance

STEPS = 10
SEEDS = (0, 3)


class SharpnessAware(Odd):
    """Steps with the gradient a little uphill: wants one gradient before its closure, and one from it."""

    def step(self, closure):
        for p in self.param_groups[0]["params"]:
            p.data.add_(p.grad, alpha=0.05)
            p.uphill = 0.05 * p.grad
        with torch.enable_grad():
            closure()
        for p in self.param_groups[0]["params"]:
            p.data.sub_(p.uphill)
            p.data.add_(p.grad, alpha=-0.1)


class Averages(Odd):
    """Steps at one point, and is judged at the mean of all points: two sets of weights, as in schedule-free methods."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.total, self.points, self.current = 0.0, 0, None

    def train(self):
        if self.current is not None:
            self.weights.data.copy_(self.current)

    def eval(self):
        self.current = self.weights.detach().clone()
        if self.points:
            self.weights.data.copy_(self.total / self.points)

    def step(self, closure=None):
        super().step()
        self.total, self.points = self.total + self.weights.detach(), self.points + 1


class TakesCurvature(Odd):
    """Divides by the curvature along all ones, by a Hessian-vector product in every step."""

    def move(self, parameter, lr):
        if parameter.grad.requires_grad:
            ones = torch.ones_like(parameter)
            (curvature,) = torch.autograd.grad(parameter.grad, parameter, grad_outputs=ones)
            parameter.sub_(parameter.grad.detach() / curvature, alpha=lr)


def plain(optimizer, **hyperparameters):
    """The loop that everybody writes."""

    def loop(parameters, loss):
        made = optimizer(list(parameters.values()), **hyperparameters)
        for step in range(STEPS):
            backward(made, loss, step)
            made.step()

    return loop


def backward(optimizer, loss, step):
    optimizer.zero_grad()
    value = loss(step)
    value.backward()
    return value


def finals(task, optimizer, **options):
    return {seed: row.final for seed, row in run(task, optimizer, budget=STEPS, seeds=SEEDS, **options).items()}


def agrees(found, task, loop):
    expected = {seed: by_hand(task, seed, with_all_gradients(loop)) for seed in found}
    return found == pytest.approx(expected, rel=1e-4)


def with_all_gradients(loop):
    """A parameter that the loss does not see has a gradient of zero here, and none in autograd: make them alike."""

    def wrapped(parameters, loss):
        loop(parameters, lambda step: loss(step) + sum(0 * p.sum() for p in parameters.values()))

    return wrapped


STEEP = {"scale_huge": 1e-9, "block_scale15": 1e-5, "outlier_spikes": 1e-6}
"""Learning rates at which plain descent does not explode, where 1e-3 is too much."""
IN_PLACE = [task for task in BUILTIN if task.window == 1 and type(task).transform is Task.transform]
CORRUPTED = [task for task in BUILTIN if task.window == 1 and type(task).transform is not Task.transform]


def options_of(optimizer, task):
    return {"lr": 1e-3} if optimizer is AdamW else {"lr": STEEP.get(task.name, 1e-3), "momentum": 0.9}


@pytest.mark.parametrize("task", sampled(IN_PLACE, every=4))
@pytest.mark.parametrize("optimizer", [AdamW, SGD])
def test_a_built_in_task(task, optimizer):
    options = options_of(optimizer, task)
    assert agrees(finals(task, optimizer, hyperparameters=options), task, plain(optimizer, **options))


@pytest.mark.parametrize("task", sampled(CORRUPTED, every=2))
@pytest.mark.parametrize("optimizer", [AdamW, SGD])
def test_a_built_in_task_that_corrupts_gradients(task, optimizer):
    options = options_of(optimizer, task)

    def corrupting(seed):
        constants, start = instance(task, seed)

        def loop(parameters, loss):
            made = optimizer(list(parameters.values()), **options)
            memory = task.memory(start, constants)
            for step in range(STEPS):
                backward(made, loss, step)
                with torch.no_grad():
                    gradients = {name: parameter.grad for name, parameter in parameters.items()}
                    batch = batch_of(task, seed, step, constants)
                    handed, memory = task.transform(gradients, dict(parameters), constants, batch, memory)
                for name, parameter in parameters.items():
                    parameter.grad = handed[name]
                made.step()

        return loop

    found = finals(task, optimizer, hyperparameters=options)
    assert found == pytest.approx({seed: by_hand(task, seed, corrupting(seed)) for seed in found}, rel=1e-4)


def test_minibatches_on_both_sides_of_a_block():
    class Noisy(Prompt):
        batches, loss = Rich.batches, Rich.loss

    steps = 70

    def loop(parameters, loss):
        made = SGD(list(parameters.values()), lr=0.1)
        for step in range(steps):
            backward(made, loss, step)
            made.step()

    found = {0: run(Noisy(), Odd, budget=steps, seeds=(0, 1))[0].final}
    assert agrees(found, Noisy(), loop)


@pytest.mark.parametrize("budget", [64, 65, 200])
def test_every_step_gets_its_own_data(budget):
    class Clock(Prompt):
        def batches(self, streams, start, steps, constants):
            return {"time": torch.arange(start, start + steps, dtype=torch.float32)}

        def loss(self, parameters, constants, batch):
            return batch["time"] * parameters["x"].sum()

        def evaluate(self, parameters, constants, step):
            return parameters["x"][0]

    found = run(Clock(), SGD, budget=budget, seeds=(0, 1), hyperparameters={"lr": 1.0}, full_budget=True)[0]
    assert found.initial - found.final == pytest.approx(sum(range(budget)), abs=1.0)


def test_evaluations_record_no_history_for_autograd():
    class Looks(Unbatchable):
        def evaluate(self, parameters, constants, step):
            assert not torch.is_grad_enabled()
            return super().evaluate(parameters, constants, step)

    assert {row.outcome for row in run(Looks(), Odd, seeds=(0, 1)).values()} == {"missed"}


def test_a_closure_that_is_called_many_times():
    def loop(parameters, loss):
        made = LBFGS(list(parameters.values()), lr=0.5, max_iter=3)
        for step in range(STEPS):
            made.step(lambda step=step: backward(made, loss, step))

    found = finals(Prompt(), LBFGS, hyperparameters={"lr": 0.5, "max_iter": 3})
    assert found == pytest.approx({seed: by_hand(Prompt(), seed, with_all_gradients(loop)) for seed in SEEDS}, abs=1e-6)


def test_a_gradient_before_the_closure():
    def loop(parameters, loss):
        made = SharpnessAware(list(parameters.values()))
        for step in range(STEPS):
            backward(made, loss, step)
            made.step(lambda step=step: backward(made, loss, step))

    assert agrees(finals(Prompt(), SharpnessAware), Prompt(), loop)


class UnbatchablePrompt(Prompt):
    batchable = False


@pytest.mark.parametrize("task", [Prompt(), UnbatchablePrompt()], ids=["batched", "one by one"])
def test_gradients_that_can_be_differentiated_again(task):
    def loop(parameters, loss):
        made = TakesCurvature(list(parameters.values()))
        for step in range(STEPS):
            gradients = torch.autograd.grad(loss(step), list(parameters.values()), create_graph=True)
            for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                parameter.grad = gradient
            made.step()

    assert agrees(finals(task, TakesCurvature), task, loop)


def test_weights_that_are_swapped_for_an_evaluation():
    def loop(parameters, loss):
        made = Averages(list(parameters.values()))
        for step in range(STEPS):
            backward(made, loss, step)
            made.step()
        made.eval()

    assert agrees(finals(Prompt(), Averages), Prompt(), loop)


def test_evaluations_in_between_do_not_move_weights_that_are_swapped():
    often, rarely = (run(Prompt(), Averages, budget=budget, seeds=(0, 1))[0] for budget in (200, 400))
    assert (often.eval_every, rarely.eval_every) == (1, 2)
    assert dict(json.loads(rarely.curve))[200] == pytest.approx(often.final, rel=1e-6)


def test_a_scheduler_steps_after_every_step_and_knows_the_budget():
    def decay(optimizer, budget):
        return LambdaLR(optimizer, lambda step: 1 - step / budget)

    def loop(parameters, loss):
        made = SGD(list(parameters.values()), lr=0.1)
        for step in range(STEPS):
            made.param_groups[0]["lr"] = 0.1 * (1 - step / STEPS)
            backward(made, loss, step)
            made.step()

    assert agrees(finals(Prompt(), SGD, hyperparameters={"lr": 0.1}, scheduler=decay), Prompt(), loop)


@pytest.mark.parametrize("task", [Rich(), Unbatchable()], ids=["batched", "one by one"])
def test_gradients_that_arrive_late(task):
    def loop(parameters, loss):
        made = SGD(list(parameters.values()), lr=0.1)
        late = [torch.zeros(4)] * Rich.lag
        for step in range(STEPS):
            backward(made, loss, step)
            late.append(parameters["x"].grad.clone())
            parameters["x"].grad = late.pop(0)
            made.step()

    assert agrees(finals(task, Odd), task, loop)


def test_gradients_that_arrive_late_at_a_closure():
    class Closed(Odd):
        def step(self, closure):
            closure()
            super().step()

    assert finals(Rich(), Closed) == pytest.approx(finals(Rich(), Odd), rel=1e-6)


def test_a_closure_computes_with_gradients_enabled_around_it_and_none_inside():
    class Looks(Odd):
        def step(self, closure):
            assert torch.is_grad_enabled()
            assert not closure().requires_grad
            assert torch.is_grad_enabled()
            super().step()

    assert {row.outcome for row in run(Prompt(), Looks).values()} == {"missed"}
