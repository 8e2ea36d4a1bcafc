"""The listing of tasks, for people."""

from __future__ import annotations

from typing import ClassVar

import torch

from pytest_optbench.machine.listing import describe, table
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.task import Task, parameter_count, parameter_shapes
from pytest_optbench.words.threshold import Threshold


class Tiny(Task):
    """f(x) = 0.

    Source: these tests.
    """

    name: ClassVar[str] = "tiny"
    version: ClassVar[int] = 3
    source: ClassVar[str] = "tests"
    tags: ClassVar[frozenset[str]] = frozenset({"noisy", "convex"})
    horizon: ClassVar[int] = 10
    optimum: ClassVar[float | None] = 0.0
    threshold: ClassVar[Threshold | None] = Threshold(
        target=0.5, budget=400, par=100.0, levels=(1.0, 0.5), reference="SGD(lr=0.1)"
    )

    def initial(self, streams, constants):
        return {"weight": torch.zeros(3, 2), "bias": torch.zeros(2), "scale": torch.zeros(())}


class Bare(Tiny):
    """f(x) = 0, with nothing known."""

    name = "bare"
    optimum = None
    threshold = None


def test_a_table_has_a_line_per_task():
    assert table([Tiny(), Bare()]).splitlines() == [
        "task    tier  target  budget  par   optimum  source",
        "tiny@3  unit  0.5     400     100   0        tests",
        "bare@3  unit  none    none    none  none     tests",
    ]


def test_every_built_in_task_is_listed():
    assert [line.split("@")[0] for line in table(BUILTIN).splitlines()[1:]] == [task.name for task in BUILTIN]


def test_one_task_in_full():
    assert describe(Tiny()) == (
        "tiny@3\n\nf(x) = 0.\n\nSource: these tests.\n\n"
        "tier         unit\n"
        "tags         convex, noisy\n"
        "parameters   9: weight (3, 2), bias (2,), scale ()\n"
        "optimum      0\n"
        "target       0.5\n"
        "levels       1, 0.5\n"
        "budget       400 steps, evaluated every 2\n"
        "par          100 (median steps of tuned AdamW)\n"
        "budget from  SGD(lr=0.1)\n"
        "source       tests\n"
    )


def test_what_is_not_known_is_said_so():
    lines = describe(Bare()).splitlines()
    assert {"optimum      none", "target       none", "budget       none", "par          none"} <= set(lines)


def test_parameters_are_counted_in_the_order_of_the_optimizer():
    assert list(parameter_shapes(Tiny()).items()) == [("weight", (3, 2)), ("bias", (2,)), ("scale", ())]
    assert parameter_count(Tiny()) == 9
