"""The README stays true: its code runs, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_optbench.integration.options import OPTIONS
from pytest_optbench.machine.listing import markdown, table
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.words.expressions import select

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(containing: str) -> str:
    """The fenced block of the README that contains a text."""
    (found,) = [text for text in re.findall(r"```\w+\n(.*?)```", README, re.DOTALL) if containing in text]
    return found


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_listed(option) -> None:
    assert option.flag in README


def test_the_listing_of_tasks_is_as_they_are() -> None:
    command, _, shown = block("$ optbench tasks ").partition("\n")
    (expression,) = re.findall(r'"(.*)"', command)
    labels = {task.name: task.tags | {task.tier} for task in CATALOGUE}
    names = select(expression, labels, where="README")
    assert shown == table([task for task in CATALOGUE if task.name in names])


def test_the_catalogue_is_listed_as_it_is() -> None:
    path = Path(__file__).parent.parent / "pytest_optbench" / "machine" / "tasks" / "README.md"
    assert path.read_text(encoding="utf-8").endswith("\n\n" + markdown(CATALOGUE))


def test_the_task_from_a_module_runs(pytester: pytest.Pytester) -> None:
    run_with(pytester, block("class Wine"), "wine")


def test_the_task_of_ones_own_runs(pytester: pytest.Pytester) -> None:
    run_with(pytester, block("class Valley"), "valley")


def run_with(pytester: pytest.Pytester, module: str, task: str) -> None:
    pytester.makepyfile(mytasks=module)
    pytester.makepyprojecttoml(
        f"""
        [tool.optbench]
        task_modules = ["mytasks"]
        tasks = "{task}"
        layer = "tasks"
        seeds = 4

        [tool.optbench.optimizers.Adam]
        class = "torch.optim:Adam"
        hyperparameters = {{ lr = 0.1 }}
        """
    )
    pytester.runpytest_inprocess("--optbench").assert_outcomes(passed=1)
