"""Tasks of one's own: by hook, by `task_modules` of the table, by entry point."""

from __future__ import annotations

import pytest
from project import BOWLS, Project

from pytest_optbench import cli

OPTION = ("--optbench-optimizer=acme:Descent", "--optbench-tasks=bowl*", "--optbench-seeds=4")


NET = """
import torch
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from pytest_optbench.tasks import ModuleTask, Threshold

inputs, labels = (torch.tensor(array) for array in load_wine(return_X_y=True))
inputs = ((inputs - inputs.mean(0)) / inputs.std(0)).float()


class Wine(ModuleTask):
    name, horizon = "wine", 300
    threshold = Threshold(target=0.0114, budget=90, par=30, reference="AdamW(lr=0.1)")

    def module(self):
        return nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, 3))

    def data(self):
        return DataLoader(TensorDataset(inputs, labels), batch_size=32, shuffle=True)

    def criterion(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)
"""
"""The task of the documentation, of fewer than 20 lines."""


def test_a_module_and_a_loader_make_a_task_of_few_lines(project: Project) -> None:
    assert sum(bool(line.strip()) for line in NET.splitlines()) < 20
    project.write({"mytasks.py": NET})
    project.table("Net=Descent", settings="task_modules = ['mytasks']\ntasks = 'wine'")
    rows = project.bench().rows
    assert {(row.task, row.engine) for row in rows} == {("wine", "stacked")}
    assert all(row.best is not None and row.initial is not None and row.best < row.initial for row in rows)


def test_a_task_of_a_module_is_admitted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.write({"mytasks.py": NET})
    assert cli.main(["admit", "mytasks:Wine"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "admitted: 1 of 1 task"


def test_a_module_that_is_no_pure_function_is_told_in_a_sentence(project: Project) -> None:
    project.write({"mytasks.py": NET.replace("nn.Tanh()", "nn.Dropout(0.5)")})
    project.table("Descent", settings="task_modules = ['mytasks']\ntasks = 'wine'")
    assert project.bench().error.startswith("task wine: it draws random numbers ('1': Dropout), so that a run depends")


def test_what_the_data_of_a_module_raise_is_a_usage_error(project: Project) -> None:
    project.write({"mytasks.py": NET.replace("return DataLoader(", "return DataLoader(1 / 0, ")})
    project.table("Descent", settings="task_modules = ['mytasks']\ntasks = 'wine'")
    assert project.bench().error == "task wine: its data raised ZeroDivisionError: division by zero"


def without_hook(project: Project) -> Project:
    (project.folder / "conftest.py").unlink()
    return project


def test_tasks_of_the_hook_are_run(project: Project) -> None:
    assert {row.task for row in project.bench(*OPTION).rows} == {"bowl2", "bowl3"}


def test_task_modules_of_the_table_are_run(project: Project) -> None:
    without_hook(project).table("Descent", settings="task_modules = ['bowls']")
    assert {row.task for row in project.bench().rows} == {"bowl2", "bowl3"}


def test_task_modules_are_found_in_src(project: Project) -> None:
    without_hook(project).table("Descent", settings="task_modules = ['mine.bowls_of_src']")
    project.write({"src/mine/__init__.py": "", "src/mine/bowls_of_src.py": BOWLS})
    assert {row.task for row in project.bench().rows} == {"bowl2", "bowl3"}


def installed(project: Project, target: str) -> Project:
    """A package with an entry point, as an installer leaves it; the project's folder is on `sys.path`."""
    without_hook(project).write(
        {
            "acme_tasks-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-tasks\nVersion: 1.0\n",
            "acme_tasks-1.0.dist-info/entry_points.txt": f"[optbench.tasks]\nbowl = {target}\n",
        }
    )
    project.pytester.syspathinsert()
    return project


@pytest.mark.parametrize("target", ["bowls:Bowl2", "instances:bowl"])
def test_tasks_of_an_entry_point_are_run(project: Project, target: str) -> None:
    installed(project, target).write({"instances.py": "from bowls import Bowl2\n\nbowl = Bowl2()\n"})
    assert {row.task for row in project.bench(*OPTION).rows} == {"bowl2"}


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("bowls:Bowl9", "entry point 'bowl' of group 'optbench.tasks' cannot be loaded: AttributeError"),
        ("nowhere:Bowl", "entry point 'bowl' of group 'optbench.tasks' cannot be loaded: ModuleNotFoundError"),
        ("acme:Descent", "expected a Task"),
    ],
)
def test_an_entry_point_that_is_no_task_is_a_usage_error(project: Project, target: str, sentence: str) -> None:
    assert sentence in installed(project, target).bench(*OPTION).error


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("threshold: ClassVar[Threshold] = Thres", "limit = Thres", "task bowl2@1 has no target and budget"),
        ('name: ClassVar[str] = "bowl3"', 'name: ClassVar[str] = "bowl2"', "a task named 'bowl2' exists already"),
        ('name: ClassVar[str] = "bowl3"', 'name: ClassVar[str] = "rosenbrock2"', "'rosenbrock2' exists already"),
        ('source: ClassVar[str] = "the plugin', 'origin = "the plugin', "has no 'source'"),
        ("stretch: ClassVar[float] = 1.0", "stretch: float", "must be constructible without arguments"),
    ],
)
def test_a_task_that_lacks_something_is_a_usage_error(project: Project, old: str, new: str, sentence: str) -> None:
    assert BOWLS.count(old) == 1
    without_hook(project).table("Descent", settings="task_modules = ['bowls']")
    assert sentence in project.write({"bowls.py": BOWLS.replace(old, new)}).bench().error


def test_a_task_of_the_hook_without_a_name_is_a_usage_error(project: Project) -> None:
    project.write({"bowls.py": BOWLS.replace('name: ClassVar[str] = "bowl2"', "title = 2")})
    assert "hook pytest_optbench_tasks: task Bowl2 has no 'name'" in project.bench(*OPTION).error


@pytest.mark.parametrize("returned", ["[3]", "[Bowl2]", "[Bowl2(), Bowl2()]", "3"])
def test_a_hook_that_returns_something_else_is_answered(project: Project, returned: str) -> None:
    project.write(
        {"conftest.py": f"from bowls import Bowl2\n\ndef pytest_optbench_tasks(config):\n    return {returned}\n"}
    )
    result = project.bench(*OPTION)
    if returned == "[Bowl2]":
        assert {row.task for row in result.rows} == {"bowl2"}
    else:
        assert "hook pytest_optbench_tasks" in result.error


def test_a_task_that_never_gates_is_reported_and_passes(project: Project) -> None:
    project.write({"bowls.py": BOWLS.replace("stretch: ClassVar[float] = 2.0", "gates: ClassVar[bool] = False")})
    result = project.table("Slow").bench()
    assert result.outcomes == {"failed": 1, "passed": 1}
    assert result.words()["Slow", "bowl3"] == {"missed"}
    assert result.words("verdict")["Slow", "bowl3"] == {"reported"}


def test_a_task_may_ask_for_fewer_seeds(project: Project) -> None:
    project.write({"bowls.py": BOWLS.replace("stretch: ClassVar[float] = 2.0", "seeds: ClassVar[int] = 3")})
    rows = project.table("Descent").bench().rows
    assert sum(row.task == "bowl3" for row in rows) == 3
    assert sum(row.task == "bowl2" for row in rows) == 4


def test_a_task_that_vmap_cannot_batch_runs_one_seed_after_another(project: Project) -> None:
    batched = {row.seed: row.outcome for row in project.table("Descent").bench().rows if row.task == "bowl3"}
    project.write(
        {"bowls.py": BOWLS.replace("stretch: ClassVar[float] = 2.0", "stretch = 2.0\n        batchable = False")}
    )
    rows = [row for row in project.bench().rows if row.task == "bowl3"]
    assert {row.engine for row in rows} == {"sequential"}
    assert {row.seed: row.outcome for row in rows} == batched
