"""A mark that is used in a wrong way ends the session as a usage error, with one sentence."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from project import Project

GOOD = """
    import pytest
    from acme import Descent

    @pytest.mark.optbench(optimizer=Descent, tasks="bowl2")
    def test_it(optbench):
        optbench.check()
"""
MARK = 'optimizer=Descent, tasks="bowl2"'


@pytest.fixture(autouse=True)
def _no_marked_class_is_left() -> Iterator[None]:
    """The class that a test has marked is gone before the next project looks for one."""
    yield
    gc.collect()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (MARK, "'acme:Descent'", "the mark optbench takes keywords only; write optimizer="),
        (MARK, "Descent, tasks='bowl2'", "the mark optbench takes keywords only; write optimizer=Descent"),
        (MARK, "tasks='bowl2'", "the mark optbench needs optimizer=..."),
        (MARK, "optimiser=Descent", "unknown keyword of the mark optbench 'optimiser'; did you mean 'optimizer'?"),
        ("Descent, t", "'acme:Descend', t", "module 'acme' has no 'Descend'; did you mean 'Descent'?"),
        ("Descent, t", "dict, t", "is no torch.optim.Optimizer"),
        ('"bowl2"', '"bowl22"', "no task or tag is called 'bowl22'; did you mean 'bowl2'?"),
        ('"bowl2"', '"bowl2", tier="tiny"', "unknown tier 'tiny'"),
        ('"bowl2"', '"bowl2", seeds="many"', "seeds is 'many'; expected a whole number"),
        ('"bowl2"', '"bowl2", seeds=0', "seeds is 0; expected at least 1"),
        ('"bowl2"', '"bowl2", hyperparameters={"lr": -1}', "acme:Descent refuses (lr=-1)"),
        ('"bowl2"', '"bowl2", hyperparameters=0.1', "hyperparameters is 0.1; expected a table"),
        ('"bowl2"', '"bowl2", claims={"shiny": True}', "unknown claim 'shiny'"),
        ('"bowl2"', '"bowl2", name="a b"', "'a b' is no name for an optimizer"),
        ('"bowl2"', '"bowl2", tier=3', "tier is 3; expected a string"),
        ('"bowl2"', '"bowl2", name=["It"]', "name is ['It']; expected a string"),
        ('"bowl2"', '"bowl2", expected_failures={"bowl4": "why"}', "unknown task or check 'bowl4'"),
        ("(optbench)", "()", "marked optbench, but uses neither fixture optbench nor optbench_task"),
        ("    @pytest.mark.optbench(" + MARK + ")\n", "", "uses the fixture optbench without the mark"),
    ],
)
def test_a_mistake_in_a_mark(project: Project, old: str, new: str, sentence: str) -> None:
    project.table("Descent").write({"test_mark.py": GOOD.replace(old, new)})
    error = project.bench().error
    assert sentence in error
    assert "test_mark.py::test_it" in error
    assert not (project.folder / "rows.csv").exists()


def test_a_recipe_named_like_one_of_the_table(project: Project) -> None:
    project.table("Descent").write({"test_mark.py": GOOD.replace(MARK, MARK + ', name="Descent"')})
    assert "test_mark.py::test_it: an optimizer named 'Descent' is defined already" in project.bench().error


def test_two_marked_tests_of_one_name(project: Project) -> None:
    project.write({"one/test_one.py": GOOD, "two/test_two.py": GOOD})
    assert "an optimizer named 'test_it' is defined already" in project.bench().error


@pytest.mark.parametrize("table", [True, False])
def test_a_mark_that_decorates_the_class(project: Project, table: bool) -> None:
    """`mark.optbench(Descent)` is pytest's own spelling for "mark the class", and returns the class."""
    if table:
        project.table("Descent")
    project.write({"test_mark.py": GOOD.replace(MARK, "Descent")})
    assert "the mark optbench was put on the class acme.Descent itself" in project.bench().error


def test_a_mark_on_an_optimizer_class_in_a_test_file(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer="acme:Descent")
                class TestLike(Descent):
                    pass
            """
        }
    )
    assert "the mark optbench was put on the class test_mark.TestLike itself" in project.bench().error


def test_a_mark_on_the_class_of_the_table(project: Project) -> None:
    project.table("Descent")
    project.write(
        {
            "acme.py": """
                import pytest
                import torch

                @pytest.mark.optbench(tasks="bowl2")
                class Descent(torch.optim.SGD):
                    pass
            """
        }
    )
    assert "was put on the class acme:Descent, not on a test" in project.bench().error


def test_an_ordinary_mistake_in_a_test_file_stays_pytests_own(project: Project) -> None:
    project.table("Descent").write({"test_broken.py": "import nowhere_at_all\n"})
    result = project.bench()
    assert result.code == pytest.ExitCode.INTERRUPTED
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in result.text
    assert not (project.folder / "rows.csv").exists()
