"""The registry: where tasks come from, and what is refused."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

from pytest_optbench.machine.tasks import BUILTIN, registry
from pytest_optbench.machine.tasks.registry import all_tasks, in_tier, threshold_of
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold

HEADER = """
from pytest_optbench.machine.tasks.task import Task

class Tiny(Task):
    name = "tiny"
    source = "tests"
    horizon = 10
"""


class Extra(Task):
    name: ClassVar[str] = "extra"
    source: ClassVar[str] = "tests"
    horizon: ClassVar[int] = 10


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """A module with the given source, under a name of its own."""
    name = re.sub(r"\W", "_", request.node.name)

    def make(source):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


@pytest.fixture
def entry_point(monkeypatch):
    """Pretend that a package offers this as a task."""

    def make(value):
        found = EntryPoint(name="acme", group=registry.ENTRY_POINT_GROUP, value=value)
        monkeypatch.setattr(registry, "entry_points", lambda group: [found])

    return make


def test_built_in_tasks_come_first_and_in_order():
    assert list(all_tasks(extra=[Extra()])) == [*(task.name for task in BUILTIN), "extra"]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (HEADER, ["tiny"]),
        (f"{HEADER}\nTINY = Tiny()\n", ["tiny"]),
        (f"{HEADER}\nclass Small(Tiny):\n    name = 'small'\n", ["tiny", "small"]),
        (f"{HEADER}\nclass Base(Task):\n    'Abstract: it has no name.'\n", ["tiny"]),
        (f"{HEADER}\nfrom pytest_optbench.machine.tasks.valleys import Rosenbrock2\n", ["tiny"]),
    ],
)
def test_tasks_of_a_module(source, names, module):
    assert list(all_tasks([module(source)]))[len(BUILTIN) :] == names


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", " holds no task; expected subclasses or instances of pytest_optbench Task"),
        (f"{HEADER.replace('tiny', 'rosenbrock2')}", ": a task named 'rosenbrock2' exists already, in "),
        (f"{HEADER.replace('    horizon = 10', '')}", ": task Tiny has no 'horizon'"),
        (f"{HEADER}    def __init__(self, size):\n        pass\n", "; a task class must be constructible without"),
        ("1 / 0", " failed: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_with_a_mistake_is_refused_in_a_sentence(source, sentence, module):
    name = module(source)
    with pytest.raises(OptbenchError) as error:
        all_tasks([name])
    assert str(error.value).startswith(f"task_modules: {name!r}")
    assert sentence in str(error.value)


@pytest.mark.parametrize("value", [f"{__name__}:Extra"])
def test_a_package_can_offer_a_task(value, entry_point):
    entry_point(value)
    assert isinstance(all_tasks()["extra"], Extra)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (f"{__name__}:HEADER", r"^entry point 'acme' of group 'optbench.tasks' is .*; expected a Task$"),
        ("no_such_module:Task", r"^entry point 'acme' .* cannot be loaded: ModuleNotFoundError: "),
    ],
)
def test_a_package_that_offers_something_else_is_refused(value, sentence, entry_point):
    entry_point(value)
    with pytest.raises(OptbenchError, match=sentence):
        all_tasks()


@pytest.mark.parametrize("task", BUILTIN, ids=lambda task: task.name)
def test_every_built_in_task_has_a_threshold(task):
    threshold = threshold_of(task)
    assert threshold.target > (task.optimum if task.optimum is not None else float("-inf"))
    assert len(threshold.levels) >= 3
    assert threshold.budget > 0


def test_a_single_task_of_a_module_can_be_named(module):
    path = f"{module(HEADER)}:Tiny"
    assert list(all_tasks([path]))[len(BUILTIN) :] == ["tiny"]
    assert list(all_tasks(named=[path]))[len(BUILTIN) :] == ["tiny"]


def test_what_is_named_may_be_there_already(module):
    name = module(HEADER)
    assert list(all_tasks([name], named=[f"{name}:Tiny"]))[len(BUILTIN) :] == ["tiny"]


def test_what_is_named_may_not_take_the_name_of_another(module):
    name = module(HEADER.replace("tiny", "rosenbrock2"))
    with pytest.raises(OptbenchError, match=r"^task '\w+:Tiny': a task named 'rosenbrock2' exists already"):
        all_tasks(named=[f"{name}:Tiny"])


def test_a_task_without_threshold_is_told_the_command(module):
    name = module(HEADER)
    with pytest.raises(OptbenchError, match=f"optbench calibrate {name}:Tiny --out DIR finds and prints it$"):
        threshold_of(all_tasks([name])["tiny"])


def test_a_task_brings_its_own_threshold():
    class Own(Extra):
        threshold = Threshold(target=1.0, budget=10)

    assert threshold_of(Own()) == Threshold(target=1.0, budget=10)


def test_a_task_without_threshold_is_refused():
    with pytest.raises(OptbenchError, match=r"^task extra@1 has no target and budget; give the class a threshold"):
        threshold_of(Extra())


@pytest.mark.parametrize(
    ("task_tier", "tiers"), [("unit", ["unit", "small", "full"]), ("small", ["small", "full"]), ("full", ["full"])]
)
def test_each_tier_includes_those_before_it(task_tier, tiers):
    class Tiered(Extra):
        tier = task_tier

    assert [tier for tier in ("unit", "small", "full") if in_tier(Tiered(), tier)] == tiers
