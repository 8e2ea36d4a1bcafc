"""The three doors to the benchmark: a table, an option, a mark."""

from __future__ import annotations

import pytest
from project import Project, Result

MARKED = """
    import pytest
    from acme import Descent

    @pytest.mark.optbench(optimizer=Descent, name="Descent", hyperparameters={"lr": 0.2}, tasks="bowl*", seeds=4)
    def test_descent(optbench):
        optbench.check()
"""
OPTION = ("--optbench-optimizer", "acme:Descent(lr=0.2)", "--optbench-tasks=bowl*", "--optbench-seeds=4")


def bits(result: Result) -> dict[tuple[str, str, int], str]:
    return {(row.recipe, row.task, row.seed): row.trajectory_sha for row in result.rows}


def test_a_table_in_pyproject_is_collected_as_recipe_layer_and_task(project: Project) -> None:
    result = project.table("Descent").bench()
    assert result.passed == (
        "pyproject.toml::Descent::tasks::bowl2",
        "pyproject.toml::Descent::tasks::bowl3",
    )
    assert result.code == pytest.ExitCode.OK


def test_a_table_in_optbench_toml_is_collected_below_that_file(project: Project) -> None:
    result = project.table("Descent", file="optbench.toml").bench()
    assert result.passed == ("optbench.toml::Descent::tasks::bowl2", "optbench.toml::Descent::tasks::bowl3")


def test_all_three_doors_give_the_same_bits(project: Project) -> None:
    keys = "Descent\nhyperparameters = { lr = 0.2 }"
    results = [project.bench(*OPTION)]
    found = [bits(results[0])]
    results.append(project.table(keys, file="optbench.toml").bench())
    found.append(bits(results[-1]))
    (project.folder / "optbench.toml").unlink()
    results.append(project.table(keys).bench())
    found.append(bits(results[-1]))
    (project.folder / "pyproject.toml").unlink()
    results.append(project.write({"test_mark.py": MARKED}).bench())
    found.append(bits(results[-1]))
    assert [result.outcomes["passed"] for result in results] == [2, 2, 2, 2]
    assert len(found[0]) == 8
    assert all(found[0].values())
    assert found[1:] == [found[0]] * 3


@pytest.mark.parametrize("ini", ["pytest.ini", "tox.ini", "pyproject.toml"])
def test_an_optimizer_of_the_command_line_is_collected_below_the_ini_file(project: Project, ini: str) -> None:
    section = {"pytest.ini": "[pytest]", "tox.ini": "[pytest]", "pyproject.toml": "[tool.pytest.ini_options]"}[ini]
    result = project.write({ini: f"{section}\n"}).bench(*OPTION)
    assert result.passed == (f"{ini}::Descent::tasks::bowl2", f"{ini}::Descent::tasks::bowl3")


def test_an_optimizer_of_the_command_line_needs_no_ini_file(project: Project) -> None:
    result = project.bench(*OPTION)
    assert result.outcomes == {"passed": 2}
    assert [name.partition("::")[2] for name in result.passed] == ["Descent::tasks::bowl2", "Descent::tasks::bowl3"]


def test_the_option_takes_a_name_and_values_written_as_in_toml(project: Project) -> None:
    project.write({"acme2.py": "import torch\n\nclass Two(torch.optim.AdamW):\n    pass\n"})
    result = project.bench(
        "--optbench-optimizer=Fast=acme2:Two(lr=0.1, betas=[0.9, 0.99])",
        "--optbench-optimizer=acme2:Two(lr = 0.2, amsgrad = true)",
        *OPTION[2:],
    )
    assert result.words("hyperparameters") == {
        ("Fast", "bowl2"): {'{"betas": [0.9, 0.99], "lr": 0.1}'},
        ("Fast", "bowl3"): {'{"betas": [0.9, 0.99], "lr": 0.1}'},
        ("Two", "bowl2"): {'{"amsgrad": true, "lr": 0.2}'},
        ("Two", "bowl3"): {'{"amsgrad": true, "lr": 0.2}'},
    }


def test_the_option_replaces_the_optimizers_of_the_table(project: Project) -> None:
    result = project.table("Slow").bench(*OPTION)
    assert result.passed == (
        "pyproject.toml::Descent::tasks::bowl2",
        "pyproject.toml::Descent::tasks::bowl3",
    )


def test_a_marked_test_becomes_one_test_per_task(project: Project) -> None:
    result = project.write({"test_mark.py": MARKED}).bench()
    assert result.passed == ("test_mark.py::test_descent[bowl2]", "test_mark.py::test_descent[bowl3]")


def test_a_marked_test_that_checks_fails_with_the_sentence_of_the_suite(project: Project) -> None:
    project.write({"test_mark.py": MARKED.replace('{"lr": 0.2}', '{"lr": 1e-4}').replace('"bowl*"', '"bowl2"')})
    result = project.bench()
    assert result.outcomes == {"failed": 1}
    assert "Descent on bowl2@1: 0 of 4 seeds reached the target 0.001 within 40 steps" in result.text
    assert "fixture.py" not in result.text
    assert "def check" not in result.text


def test_the_task_alone_is_a_fixture_too(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl*")
                def test_task(optbench_task):
                    assert optbench_task.name in ("bowl2", "bowl3")
            """
        }
    )
    assert project.bench().outcomes == {"passed": 2}


def test_a_recipe_of_a_mark_is_named_after_its_test(project: Project) -> None:
    project.write({"test_mark.py": MARKED.replace('name="Descent", ', "")})
    assert {row.recipe for row in project.bench().rows} == {"test_descent"}


def test_a_mark_may_choose_tier_and_seeds(project: Project) -> None:
    project.write({"test_mark.py": MARKED.replace("seeds=4", 'seeds=5, tier="unit"')})
    assert [(row.task, row.seed) for row in project.bench().rows] == [("bowl2", seed) for seed in range(5)]


def test_another_optimizer_can_be_run_and_compared_inside_a_test(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import math

                import pytest
                import torch
                from acme import Descent, Slow

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=12)
                def test_faster(optbench):
                    mine, half, slow = optbench.run(), optbench.run(Descent, lr=0.1), optbench.run("acme:Slow")
                    assert mine.faster_than(half)
                    assert not half.faster_than(mine)
                    assert mine.faster_than(slow)
                    assert slow.median_steps == math.inf
                    assert not slow.verdict.passed
                    assert optbench.run() is mine
                    assert len(mine.rows) == len(mine.steps) == 12
                    assert optbench.task.name == "bowl2"
                    assert optbench.recipe.optimizer is Descent
            """
        }
    )
    result = project.bench()
    assert result.outcomes == {"passed": 1}, result.text
    assert set(result.words()) == {
        ("test_faster", "bowl2"),
        ("test_faster/Descent", "bowl2"),
        ("test_faster/Slow", "bowl2"),
    }


@pytest.mark.parametrize(
    ("second", "outcome", "recipes"),
    [
        ("Descent, lr=0.1", "passed", {"test_two/Descent"}),
        ("Descent, lr=0.2, name='Fast'", "passed", {"test_two/Descent", "test_two/Fast"}),
        ("Descent, lr=0.2", "failed", {"test_two/Descent"}),
        ("'acme:Slow', name='Descent'", "failed", {"test_two/Descent"}),
    ],
)
def test_two_inner_runs_never_share_a_name(project: Project, second: str, outcome: str, recipes: set[str]) -> None:
    project.write(
        {
            "test_mark.py": f"""
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4)
                def test_two(optbench):
                    optbench.run(Descent, lr=0.1)
                    optbench.run({second})
            """
        }
    )
    result = project.bench()
    assert result.outcomes == {outcome: 1}
    assert {row.recipe for row in result.rows} == recipes
    assert len(result.rows) == 4 * len(recipes)


def test_one_mark_on_a_class_is_one_recipe_for_all_its_tests(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4, name="Descent")
                class TestDescent:
                    def test_solves(self, optbench):
                        optbench.check()

                    def test_is_quick(self, optbench):
                        assert optbench.run().median_steps < 20
            """
        }
    )
    result = project.bench()
    assert result.outcomes == {"passed": 2}
    assert [row.recipe for row in result.rows] == ["Descent"] * 4


def test_an_inner_run_of_an_impossible_optimizer_fails_the_test_with_a_sentence(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4)
                def test_other(optbench):
                    optbench.run("acme:Descend")
            """
        }
    )
    result = project.bench()
    assert result.outcomes == {"failed": 1}
    assert "module 'acme' has no 'Descend'; did you mean 'Descent'?" in result.text


def test_a_table_and_marked_tests_run_together(project: Project) -> None:
    project.table("Descent").write({"test_mark.py": MARKED.replace('name="Descent"', 'name="Marked"')})
    result = project.bench()
    assert result.outcomes == {"passed": 4}
    assert {row.recipe for row in result.rows} == {"Descent", "Marked"}


def test_rows_of_a_parametrized_comparison_are_told_apart(project: Project) -> None:
    project.write(
        {
            "test_lr.py": """
                import pytest
                from acme import Descent

                @pytest.mark.parametrize("lr", [0.1, 0.2])
                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2")
                def test_lr(optbench, lr):
                    optbench.run(Descent, lr=lr)
            """
        }
    )
    result = project.bench()
    assert {row.recipe for row in result.rows} >= {"test_lr/Descent lr=0.1", "test_lr/Descent lr=0.2"}
