"""Recipes: what is refused before anything runs, and what is seen of an optimizer on a toy problem."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim import LBFGS, SGD, Adam, AdamW, Muon
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.words.errors import OptbenchError

ALL = frozenset(range(5))


class Plain(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, *, momentum=0.0):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for parameter in self.param_groups[0]["params"]:
            parameter.data.sub_(parameter.grad, alpha=0.1)


class NeedsLearningRate(Plain):
    def __init__(self, params, lr):
        super().__init__(params, lr)


class Anything(Plain):
    def __init__(self, params, **options):
        super().__init__(params)


class ClosureInSignature(Plain):
    def step(self, closure):
        closure()
        super().step()


class ClosureInDeed(Plain):
    """Its signature says that the closure is optional; its code does not."""

    def step(self, closure=None):
        closure()
        super().step()


class GradientFirst(Plain):
    def step(self, closure):
        super().step()
        closure()


class Perturbs(Plain):
    """Sharpness-aware: its first half goes up along the gradient it finds, and skips parameters without one."""

    def step(self, closure=None):
        parameters = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        ascent = [p.grad.sign() for p in parameters]
        for parameter, direction in zip(parameters, ascent, strict=True):
            parameter.data.add_(direction, alpha=0.01)
        closure()
        for parameter, direction in zip(parameters, ascent, strict=True):
            parameter.data.sub_(direction, alpha=0.01)
        super().step()


class DrawsBeforeClosure(Plain):
    def step(self, closure):
        for parameter in self.param_groups[0]["params"]:
            parameter.data.add_(torch.rand_like(parameter), alpha=0.01)
        closure()
        super().step()


class TwoModes(Plain):
    def train(self):
        pass

    def eval(self):
        pass


class TakesCurvature(Plain):
    """Divides by the curvature along its own step, as after backward(create_graph=True)."""

    def step(self, closure=None):
        for parameter in self.param_groups[0]["params"]:
            (curved,) = torch.autograd.grad(parameter.grad, parameter, grad_outputs=torch.ones_like(parameter))
            parameter.data.sub_(parameter.grad.detach() / curved)


class BrokenModes(ClosureInDeed):
    """Its base has the two methods; it has nothing to switch."""

    def train(self):
        raise AttributeError("nothing to switch")

    eval = train


class Draws(Plain):
    def step(self, closure=None):
        torch.rand(3)
        np.random.rand()
        random.random()
        super().step()


class SwitchesGradientsOff(Plain):
    def step(self, closure=None):
        super().step()
        torch.set_grad_enabled(False)


def recipe(optimizer, **options):
    return Recipe(name="it", optimizer=optimizer, where="here", **options)


def refusal(optimizer, **options):
    with pytest.raises(OptbenchError) as error:
        validate(recipe(optimizer, **options))
    return str(error.value)


@pytest.mark.parametrize(
    ("optimizer", "options", "dimensions", "needs_closure", "gradient_first", "modes"),
    [
        (SGD, {}, ALL, False, False, False),
        (AdamW, {}, ALL, False, False, False),
        (LBFGS, {}, ALL, True, False, False),
        (Muon, {}, {2}, False, False, False),
        (ClosureInSignature, {}, ALL, True, False, False),
        (ClosureInDeed, {}, ALL, True, False, False),
        (GradientFirst, {}, ALL, True, True, False),
        (Perturbs, {}, ALL, True, True, False),
        (DrawsBeforeClosure, {}, ALL, True, False, False),
        (TakesCurvature, {}, ALL, False, False, False),
        (TwoModes, {}, ALL, False, False, True),
        (TwoModes, {"claims": {"train_eval": False}}, ALL, False, False, False),
        (BrokenModes, {"claims": {"train_eval": False}}, ALL, True, False, False),
        (SGD, {"claims": {"no_ndim": [0, 1]}}, {2, 3, 4}, False, False, False),
        (ClosureInSignature, {"claims": {"needs_closure": False}}, ALL, False, False, False),
        (partial(SGD, lr=0.1), {}, ALL, False, False, False),
        (lambda params, lr=0.1: SGD(params, lr), {}, ALL, False, False, False),
    ],
)
def test_capabilities(optimizer, options, dimensions, needs_closure, gradient_first, modes):
    found = validate(recipe(optimizer, **options))
    assert found.dimensions == dimensions
    assert (found.needs_closure, found.gradient_before_closure) == (needs_closure, gradient_first)
    assert found.train_eval == modes
    assert found.needs_graph == (optimizer is TakesCurvature)


@pytest.mark.parametrize(
    ("optimizer", "options", "sentence"),
    [
        (
            AdamW,
            {"hyperparameters": {"beta": 1}},
            "here: torch.optim.adamw:AdamW has no hyperparameter 'beta'; did you mean 'betas'?",
        ),
        (
            AdamW,
            {"configurations": {"a": {"amsgrd": True}}},
            "here: configuration 'a': torch.optim.adamw:AdamW has no hyperparameter 'amsgrd'; did you mean 'amsgrad'?",
        ),
        (
            AdamW,
            {"hyperparameters": {"lr": -1.0}},
            "here: torch.optim.adamw:AdamW refuses (lr=-1.0): ValueError: Invalid learning rate: -1.0",
        ),
        (
            AdamW,
            {"configurations": {"a": {"eps": -1.0}}},
            "here: configuration 'a': torch.optim.adamw:AdamW refuses (eps=-1.0): "
            "ValueError: Invalid epsilon value: -1.0",
        ),
        (
            NeedsLearningRate,
            {},
            f"here: {__name__}:NeedsLearningRate has no default for 'lr'; set it in 'hyperparameters'",
        ),
        (
            lambda params: 5,
            {},
            f"here: {__name__}:<lambda> made a int; expected a torch.optim.Optimizer",
        ),
        (
            SGD,
            {"scheduler": lambda optimizer: None},
            "here: scheduler: calling the factory with (optimizer, budget) raised TypeError: ",
        ),
        (
            SGD,
            {"scheduler": lambda optimizer, budget: ReduceLROnPlateau(optimizer)},
            "here: scheduler: ReduceLROnPlateau.step() needs 'metrics'; expected a scheduler that depends on the step",
        ),
    ],
)
def test_a_recipe_that_cannot_be_built_is_refused_in_a_sentence(optimizer, options, sentence):
    assert refusal(optimizer, **options).startswith(sentence)


def test_a_mark_on_the_class_is_a_misunderstanding():
    class Marked(Plain):
        pytestmark = ()

    assert "was put on the class" in refusal(Marked)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (NeedsLearningRate, {"hyperparameters": {"lr": 0.1}}),
        (Anything, {"hyperparameters": {"whatever": 1}}),
        (AdamW, {"configurations": {"a": {"amsgrad": True}}}),
        (SGD, {"scheduler": lambda optimizer, budget: LinearLR(optimizer, total_iters=budget)}),
    ],
)
def test_a_sound_recipe_is_accepted(optimizer, options):
    validate(recipe(optimizer, **options))


@pytest.mark.parametrize("optimizer", [Draws, SwitchesGradientsOff])
def test_probing_leaves_global_generators_and_modes_alone(optimizer):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    validate(recipe(optimizer))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("optimizer", "path"),
    [(AdamW, "torch.optim.adamw:AdamW"), (Plain, f"{__name__}:Plain"), (partial(SGD), ":partial")],
)
def test_path(optimizer, path):
    assert recipe(optimizer).path.endswith(path)


def test_the_version_is_that_of_the_package_that_provides_it():
    assert recipe(AdamW).version == torch.__version__
    assert recipe(Plain).version == ""


@pytest.mark.parametrize(("hyperparameters", "regime"), [({}, "default"), ({"lr": 0.1}, "fixed")])
def test_regime(hyperparameters, regime):
    assert recipe(SGD, hyperparameters=hyperparameters).regime == regime


def test_hyperparameters_as_json_are_sorted_and_take_anything():
    made = recipe(SGD, hyperparameters={"z": 1, "a": (0.9, 0.99), "dtype": torch.float32})
    assert made.hyperparameters_json == '{"a": [0.9, 0.99], "dtype": "torch.float32", "z": 1}'


def test_overrides_go_on_top_of_hyperparameters():
    built = recipe(Adam, hyperparameters={"lr": 0.1, "eps": 1e-3}).build([torch.zeros(2)], lr=0.5)
    assert (built.defaults["lr"], built.defaults["eps"]) == (0.5, 1e-3)


def test_the_source_of_a_class_is_its_file_and_line():
    path, line = recipe(Plain).source()
    assert Path(path).samefile(__file__)
    assert Path(path).read_text().splitlines()[line].startswith("class Plain")


def test_an_optimizer_without_source_has_none():
    assert recipe(partial(SGD)).source() == ("", 0)
