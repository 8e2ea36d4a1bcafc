"""The listing of tasks, for people."""

from __future__ import annotations

from typing import ClassVar

import torch

from pytest_optbench.machine.listing import describe, table
from pytest_optbench.machine.references import references_of
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.modules import ModuleTask
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
        "task    tier  target  budget  par   budget from  optimum  tags",
        "tiny@3  unit  0.5     400     100   SGD(lr=0.1)  0        convex, noisy",
        "bare@3  unit  none    none    none  none         none     convex, noisy",
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
        "horizon      10 steps of a calibration run\n"
        "source       tests\n"
    )


def test_facts_that_are_found_elsewhere_come_last():
    assert describe(Tiny(), {"cost": "a second", "picture": ""}).endswith("source       tests\ncost         a second\n")


def test_a_built_in_task_shows_its_knobs_and_how_the_references_do():
    task = next(task for task in BUILTIN if task.name == "rosenbrock2")
    text = describe(task)
    knobs, references = text.partition("\nknobs\n")[2].split("\nreferences, each tuned for the target and the budget\n")
    assert knobs.splitlines() == [
        "  steepness = 100.0, a number above 0; more is harder",
        "  jitter = 0.1, a number above 0",
    ]
    rows = [line.split() for line in references.splitlines()]
    assert {row[0] for row in rows} == {*references_of(task)}
    steps = [float(row[1]) for row in rows if row[1] != "missed"]
    assert steps == sorted(steps)
    assert any(
        line.startswith("  AdamW ") and line.endswith("32 of 32 seeds  lr 0.1") for line in references.splitlines()
    )


def test_a_module_that_is_not_batched_says_why():
    class Branches(torch.nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs) * (1 if inputs.sum().item() > 0 else 2)

    class Net(ModuleTask):
        name = "net"
        horizon = 10

        def module(self):
            return Branches(2, 1)

        def data(self):
            return torch.ones(4, 2), torch.ones(4, 1)

        def criterion(self, outputs, targets):
            return (outputs - targets).square().mean()

    assert "\nunbatched    vmap refuses it: RuntimeError" in describe(Net())


def test_what_is_not_known_is_said_so():
    lines = describe(Bare()).splitlines()
    assert {"optimum      none", "target       none", "budget       none", "par          none"} <= set(lines)


def test_parameters_are_counted_in_the_order_of_the_optimizer():
    assert list(parameter_shapes(Tiny()).items()) == [("weight", (3, 2)), ("bias", (2,)), ("scale", ())]
    assert parameter_count(Tiny()) == 9
