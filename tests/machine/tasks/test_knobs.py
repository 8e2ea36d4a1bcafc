"""Difficulty knobs: which values a task refuses, and in which words."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tasks.bowls import Ellipsoid20Rotated
from pytest_optbench.machine.tasks.bursts import GradientBurst
from pytest_optbench.machine.tasks.digits import DigitsMlpBn
from pytest_optbench.machine.tasks.markov import MarkovTransformer
from pytest_optbench.machine.tasks.matrices import MatrixFactor
from pytest_optbench.machine.tasks.parity import XorFlip
from pytest_optbench.machine.tasks.schaul import SchaulCliff
from pytest_optbench.machine.tasks.sparse import SparseRows200

KNOBS = [(task, field.name) for task in CATALOGUE for field in dataclasses.fields(task)]


@pytest.mark.parametrize("task", CATALOGUE, ids=lambda task: task.name)
def test_an_unknown_knob_raises(task):
    with pytest.raises(TypeError, match="unexpected keyword argument 'difficulty'"):
        type(task)(difficulty=1)


@pytest.mark.parametrize(("task", "knob"), KNOBS, ids=lambda value: getattr(value, "name", value))
def test_every_knob_refuses_what_is_no_sensible_number(task, knob):
    for value in (-1, math.nan, "many", None, True):
        with pytest.raises(
            ValueError, match=rf"^{task.name}: the knob '{knob}' must be a .*number.*, but it is {value!r}\.$"
        ):
            type(task)(**{knob: value})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Ellipsoid20Rotated(dimension=1), "'dimension' must be a whole number of at least 2, but it is 1."),
        (lambda: Ellipsoid20Rotated(dimension=2.5), "'dimension' must be a whole number of at least 2, but it is 2.5."),
        (lambda: Ellipsoid20Rotated(jitter=0), "'jitter' must be a number above 0, but it is 0."),
        (lambda: SparseRows200(density=2), "'density' must be a number above 0 and at most 1, but it is 2."),
        (lambda: SchaulCliff(noise=-0.1), "'noise' must be a number of at least 0, but it is -0.1."),
        (lambda: DigitsMlpBn(batch_size=1), "'batch_size' must be a whole number of at least 2, but it is 1."),
        (lambda: MatrixFactor(rank=13), "'rank' must be at most 'size' (12), but it is 13."),
        (lambda: GradientBurst(length=2.5), "'length' must be a whole number of at least 0, but it is 2.5."),
        (lambda: XorFlip(inputs=3), "'inputs' must be a whole number of at least 4 and at most 12, but it is 3."),
        (lambda: XorFlip(width=3), "'width' must be a whole number of at least 4, but it is 3."),
        (lambda: MarkovTransformer(width=30), "'width' must be a multiple of 'heads' (4), but it is 30."),
    ],
)
def test_a_value_out_of_range_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole sentence is compared
        make()
    assert str(refusal.value).endswith(sentence)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseRows200(density=1),
        lambda: SchaulCliff(noise=0),
        lambda: Ellipsoid20Rotated(condition=10_000),
        lambda: MatrixFactor(size=3, rank=3),
        lambda: GradientBurst(length=0),
    ],
)
def test_the_ends_of_a_range_are_accepted(make):
    make()


def test_tasks_with_equal_knobs_are_equal():
    assert SparseRows200(rows=100) == SparseRows200(rows=100) != SparseRows200()
