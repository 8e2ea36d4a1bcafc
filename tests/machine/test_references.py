"""References: the names and learning rates that thresholds are made of."""

from __future__ import annotations

import pytest
import torch

from pytest_optbench.machine.recipe import validate
from pytest_optbench.machine.references import (
    BUDGET_SETTERS,
    PAR,
    REFERENCES,
    parse_reference,
    reference_recipe,
    references_of,
)
from pytest_optbench.machine.search import LEARNING_RATES
from pytest_optbench.machine.tasks.bowls import Sphere10
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.standing import SEVERAL_GRADIENTS


def test_learning_rates_are_half_decades():
    assert len(LEARNING_RATES) == 13
    assert (LEARNING_RATES[0], LEARNING_RATES[5], LEARNING_RATES[-1]) == (1e-5, 3.16e-3, 10.0)


def test_par_is_set_by_a_reference():
    assert PAR in REFERENCES


@pytest.mark.parametrize("name", REFERENCES)
def test_every_reference_can_be_built(name):
    dimensions = {2} if name == "Muon" else set(range(5))
    assert validate(reference_recipe(name, 0.01)).dimensions == dimensions


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("lr", LEARNING_RATES)
def test_a_reference_that_was_written_is_read_back(name, lr):
    assert parse_reference(f"{name}(lr={lr:g})", where="here") == reference_recipe(name, lr)


def test_fixed_options_belong_to_the_reference():
    found = parse_reference("SGD-nesterov(lr=3.16)", where="here")
    assert found.optimizer is torch.optim.SGD
    assert found.hyperparameters == {"lr": 3.16, "momentum": 0.9, "nesterov": True}


@pytest.mark.parametrize(
    ("task", "absent"),
    [
        (Sphere10(), {"Muon", "ASGD"}),
        (MatrixFactor(), {"ASGD"}),
        (SchaulCliff(), {"Muon", "LBFGS"}),
        (GradientBurst(), {"Muon", "LBFGS", "ASGD"}),
        (SparseRows200(), {"LBFGS"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_reference_runs_where_it_makes_sense(task, absent):
    assert set(references_of(task)) == REFERENCES.keys() - absent


def test_what_may_set_a_budget_is_a_reference():
    assert REFERENCES.keys() > {*BUDGET_SETTERS}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "here: '' is no reference; expected one as in 'AdamW(lr=0.1)'"),
        ("AdamW", "here: 'AdamW' is no reference; expected one as in 'AdamW(lr=0.1)'"),
        ("AdamW(lr=)", "here: 'AdamW(lr=)' is no reference; expected one as in 'AdamW(lr=0.1)'"),
        ("AdamW(lr=__import__)", "here: 'AdamW(lr=__import__)' is no reference; expected one as in 'AdamW(lr=0.1)'"),
        ("AdamW(lr=1.2.3)", "here: the learning rate of 'AdamW(lr=1.2.3)' is no number"),
        ("AdamWW(lr=0.1)", "here: unknown reference 'AdamWW'; did you mean 'AdamW'?"),
    ],
)
def test_what_is_no_reference_is_told_in_a_sentence(text, sentence):
    with pytest.raises(OptbenchError) as error:
        parse_reference(text, where="here")
    assert str(error.value) == sentence


def test_who_evaluates_several_gradients_a_step_is_known_without_torch():
    assert {name for name, reference in REFERENCES.items() if not reference.one_gradient} == SEVERAL_GRADIENTS
