"""Admission: every built-in task is admitted, and a task that breaks a rule is told so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from catalogue import sampled

from pytest_optbench import cli
from pytest_optbench.machine.admission import FULL, REDUCED, Grid, admit
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.draws import normal
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.words.admission import from_csv
from pytest_optbench.words.threshold import Threshold

GRID = Grid(controls=4, reference=4, knobs=2)
GOOD = Threshold(target=1e-3, budget=100, levels=(1e-1, 1e-2, 1e-3), reference="SGD(lr=0.1)")

every_task = pytest.mark.parametrize("task", BUILTIN, ids=lambda task: task.name)


@dataclass(frozen=True)
class Bowl(ExactTask):
    """f(x) = ½ ‖x‖², a task that keeps every rule."""

    name: ClassVar[str] = "bowl"
    source: ClassVar[str] = "tests"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 200

    spread: float = knob(1.0, above=0, harder="more")

    def initial(self, streams, constants):
        return {"x": self.spread * (2 + 0.1 * normal(streams.init, 3))}

    def value(self, parameters, constants):
        return 0.5 * parameters["x"].square().sum()

    def solution(self, constants, step):
        return {"x": torch.zeros(3)}


class DriftsAway(Bowl):
    """The optimum that it states is right at first only."""

    def evaluate(self, parameters, constants, step):
        return self.value({"x": parameters["x"] - 0.01 * step}, constants)


class WrongGradient(Bowl):
    """One entry is off by a thousandth."""

    def gradient(self, parameters, constants, batch):
        value, gradient = super().gradient(parameters, constants, batch)
        return value, {"x": gradient["x"] * torch.tensor([1.0, 1.0, 1.001])}


class WrongTinyGradient(WrongGradient):
    """The same, where all gradients are tiny."""

    def value(self, parameters, constants):
        return 1e-8 * super().value(parameters, constants)


class NotFinite(Bowl):
    """Its gradient is NaN, which passes no comparison."""

    def gradient(self, parameters, constants, batch):
        value, gradient = super().gradient(parameters, constants, batch)
        return value, {"x": gradient["x"] * torch.nan}


class Plain(Bowl):
    """f(x) = max(0, 1 - |x| / 10) in one dimension: a minimum everywhere but at the start."""

    def initial(self, streams, constants):
        return {"x": self.spread * (1 + 0.1 * normal(streams.init, 1))}

    def value(self, parameters, constants):
        return (1 - parameters["x"].abs() / 10).clamp(min=0).sum()

    def solution(self, constants, step):
        return {"x": torch.full((1,), 20.0)}


@dataclass(frozen=True)
class BackwardKnob(Bowl):
    """Its knob declares the wrong direction."""

    spread: float = knob(1.0, above=0, harder="less")


@dataclass(frozen=True)
class IdleKnob(Bowl):
    """Its second knob is connected to nothing."""

    idle: float = knob(1.0, above=0, harder="more")


class TakesAnything(Bowl):
    """Mistyped knobs vanish."""

    def __init__(self, spread=1.0, **others):
        super().__init__(spread)


def target(value):
    return Threshold(target=value, budget=GOOD.budget, levels=GOOD.levels, reference=GOOD.reference)


def reference(text):
    return Threshold(target=GOOD.target, budget=GOOD.budget, levels=GOOD.levels, reference=text)


def failures(task, threshold):
    return {finding.rule for finding in admit(task, threshold, GRID) if not finding.passed}


@pytest.mark.parametrize("task", sampled(every=12, first=5))
def test_a_built_in_task_is_admitted(task):
    assert [finding for finding in admit(task, threshold_of(task), REDUCED) if not finding.passed] == []


@pytest.mark.full
@every_task
def test_a_built_in_task_is_admitted_on_all_seeds(task):
    assert [finding for finding in admit(task, threshold_of(task), FULL) if not finding.passed] == []


def test_a_good_task_is_asked_about_every_rule():
    rules = ["no_op", "random_walk", "reference", "knob spread", "solution", "gradient", "unknown_key"]
    assert [(finding.rule, finding.passed) for finding in admit(Bowl(), GOOD, GRID)] == [(rule, True) for rule in rules]


@pytest.mark.parametrize(
    ("task", "threshold", "rules"),
    [
        pytest.param(Bowl(), target(-1.0), {"reference", "knob spread", "solution"}, id="unreachable target"),
        pytest.param(Bowl(), target(100.0), {"no_op", "random_walk", "knob spread"}, id="target met at the start"),
        pytest.param(Plain(), GOOD, {"random_walk", "reference", "knob spread"}, id="solved by a random walk"),
        pytest.param(DriftsAway(), GOOD, {"reference", "solution"}, id="solution only at first"),
        pytest.param(WrongGradient(), GOOD, {"gradient"}, id="wrong gradient"),
        pytest.param(
            WrongTinyGradient(), target(1e-11), {"reference", "knob spread", "gradient"}, id="wrong tiny gradient"
        ),
        pytest.param(NotFinite(), GOOD, {"reference", "knob spread", "gradient"}, id="gradient is NaN"),
        pytest.param(Bowl(), reference("SGD(lr=0.001)"), {"reference", "knob spread"}, id="reference too slow"),
        pytest.param(Bowl(), reference("AcmeAdam(lr=1)"), {"reference"}, id="unknown reference"),
        pytest.param(Bowl(), reference(""), {"reference"}, id="no reference"),
        pytest.param(BackwardKnob(), GOOD, {"knob spread"}, id="knob turns the other way"),
        pytest.param(IdleKnob(), GOOD, {"knob idle"}, id="knob without effect"),
        pytest.param(TakesAnything(), GOOD, {"unknown_key"}, id="unknown key accepted"),
    ],
)
def test_a_task_fails_the_rules_that_it_breaks(task, threshold, rules):
    assert failures(task, threshold) == rules


def test_a_task_without_closed_form_is_not_asked_for_its_solution():
    class Unknown(Bowl):
        def solution(self, constants, step):
            return None

    assert "solution" not in {finding.rule for finding in admit(Unknown(), GOOD, GRID)}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("no_op", "0 of 4 seeds are at the target without a move"),
        (
            "random_walk",
            "0 of 4 seeds reach the target at any scale; levels: 0% at 0.1, 0% at 0.01, 0% at 0.001",
        ),
        ("reference", "SGD(lr=0.1) reaches 0.001 within 100 steps on 4 of 4 and 4 of 4 seeds"),
        ("solution", "evaluates to 0, where the target is 0.001"),
        ("unknown_key", "raises TypeError"),
    ],
)
def test_a_finding_says_what_was_seen(rule, sentence):
    assert next(finding.sentence for finding in admit(Bowl(), GOOD, GRID) if finding.rule == rule) == sentence


def test_the_reference_may_miss_on_one_seed_of_a_set_but_not_on_two():
    class Missing(Bowl):
        def initial(self, streams, constants):
            return {"x": torch.full((3,), torch.nan if streams.seed < self.missing else 2.0)}

    class OnOne(Missing):
        missing = 1

    class OnTwo(Missing):
        missing = 2

    assert "reference" not in failures(OnOne(), GOOD)
    assert "reference" in failures(OnTwo(), GOOD)


def test_admission_leaves_the_global_generators_and_modes_alone():
    before = torch.get_rng_state()
    admit(Bowl(), GOOD, GRID)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


MODULE = """
from dataclasses import dataclass, fields
from typing import ClassVar
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.threshold import Threshold
from pytest_optbench.machine.tasks.draws import normal

class {name}(Task):
    name = "{name}"
    source = "tests"
    horizon = 100
    threshold = Threshold(target={target}, budget=100, reference="SGD(lr=0.1)")
    def initial(self, streams, constants):
        return {{"x": 2 + 0.1 * normal(streams.init, 3)}}
    def loss(self, parameters, constants, batch):
        return parameters["x"].square().sum()
    def evaluate(self, parameters, constants, step):
        return parameters["x"].square().sum()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with a task of the name and the target that are given; the current folder is where it is."""

    def make(name, target):
        (tmp_path / f"{name}.py").write_text(MODULE.format(name=name, target=target))
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


RULES = ("no_op", "random_walk", "reference", "gradient", "unknown_key")


@pytest.mark.parametrize(("target", "code", "word"), [(1e-3, 0, "yes"), (1e3, 1, "NO")])
def test_the_command_prints_a_row_per_task_and_fails_with_a_finding(target, code, word, module, tmp_path, capsys):
    name = module(f"tiny_{code}", target)
    assert cli.main(["admit", name, "--module", name, "--csv", "found.csv"]) == code
    out, err = capsys.readouterr()
    header, row, *rest = out.splitlines()
    assert header.split() == [
        *("task", "admitted", "no_op", "random_walk", "reference", "solution", "gradient", "knobs", "unknown_key")
    ]
    assert row.split()[:2] == [f"{name}@1", word]
    assert rest[-1] == f"admitted: {1 - code} of 1 task"
    failed = [line for line in rest if line.startswith("FAILED")]
    assert any(line.startswith(f"FAILED {name}@1 no_op: 4 of 4 seeds are at the target") for line in failed) == code
    assert err.startswith("[1/1 ")
    assert err.endswith(f"{name}: {'NOT ' * code}admitted\n")
    found = from_csv((tmp_path / "found.csv").read_text(), where="found.csv")
    assert {finding.rule for finding in found} == {*RULES}
    assert all(finding.passed for finding in found) == (not code)


def test_a_task_without_a_target_is_told_what_to_do(module, capsys):
    name = module("tiny_open", 1.0)
    path = Path(f"{name}.py")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "threshold =" not in line))
    assert cli.main(["admit", f"{name}:{name}"]) == 1
    _, row, *rest = capsys.readouterr().out.splitlines()
    assert row.split() == [f"{name}@1", "NO", "-", "-", "-", "-", row.split()[6], "-", "refused"]
    assert (
        f"FAILED {name}@1 threshold: give the class a threshold = Threshold(...), "
        f"as optbench calibrate {name}:{name} --out DIR finds and prints it"
    ) in rest
