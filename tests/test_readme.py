"""The README stays true: its code runs, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_optbench.integration.options import OPTIONS
from pytest_optbench.machine.listing import table
from pytest_optbench.machine.tasks import BUILTIN

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(containing: str) -> str:
    """The fenced block of the README that contains a text."""
    (found,) = [text for text in re.findall(r"```\w+\n(.*?)```", README, re.DOTALL) if containing in text]
    return found


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_listed(option) -> None:
    assert option.flag in README


def test_the_tasks_are_shown_as_they_are() -> None:
    shown = block("$ optbench tasks").partition("\n")[2]
    assert shown == table(BUILTIN)


def test_the_task_of_ones_own_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mytasks=block("class Valley"))
    pytester.makepyprojecttoml(
        """
        [tool.optbench]
        task_modules = ["mytasks"]
        tasks = "valley"
        layer = "tasks"
        seeds = 4

        [tool.optbench.optimizers.Adam]
        class = "torch.optim:Adam"
        hyperparameters = { lr = 0.1 }
        """
    )
    pytester.runpytest_inprocess("--optbench").assert_outcomes(passed=1)
