"""What comes out: places and tracebacks of failures, JUnit, the CSV, the summary."""

from __future__ import annotations

import inspect
import json
import math

import pandas as pd
import pytest
import torch
from project import Project

from pytest_optbench import SUITE_VERSION
from pytest_optbench.words.run import COLUMNS, OUTCOMES, column_documentation


def test_a_case_is_located_at_the_definition_of_the_optimizer(project: Project) -> None:
    result = project.table("Slow").bench("-o", "junit_family=xunit1")
    lines = (project.folder / "acme.py").read_text().splitlines()
    for case in result.junit.values():
        assert case._elem.get("file") == "acme.py"
        assert lines[int(case._elem.get("line"))].startswith("class Slow")


def test_an_optimizer_of_a_library_is_located_there(project: Project) -> None:
    project.bench("--optbench-optimizer=torch.optim:SGD", "--optbench-tasks=bowl2", "-o", "junit_family=xunit1")
    (case,) = project.bench(
        "--optbench-optimizer=torch.optim:SGD", "--optbench-tasks=bowl2", "-o", "junit_family=xunit1"
    ).junit.values()
    line = inspect.getsourcelines(torch.optim.SGD)[1]
    assert case._elem.get("file").endswith("torch/optim/sgd.py")
    assert int(case._elem.get("line")) == line - 1


def failure(result_text: str) -> str:
    """The section of pytest's output that explains the failures."""
    return result_text.partition("= FAILURES =")[2].partition("\n- generated")[0]


def test_a_miss_is_explained_by_numbers_and_no_traceback(project: Project) -> None:
    text = failure(project.table('Slow\ntasks = "bowl2"\nhyperparameters = { lr = 0.001 }').bench().text)
    assert "Slow on bowl2@1: 0 of 4 seeds reached the target 0.001 within 40 steps (at least half must)" in text
    assert "4 missed." in text
    assert "steps to target: - - - -" in text
    assert 'hyperparameters: {"lr": 0.001} (fixed), optimizer acme:Slow' in text
    assert text.count("(best ") == 3
    for word in ("Traceback", "def ", "raise ", "pytest_optbench", ".py:"):
        assert word not in text


@pytest.mark.parametrize("style", ["auto", "long", "short", "native", "line"])
@pytest.mark.parametrize("door", ["table", "mark"])
def test_an_exception_shows_the_frames_of_the_user_alone(project: Project, door: str, style: str) -> None:
    project.write(
        {
            "acme2.py": """
                from acme import Descent

                def helper():
                    raise RuntimeError("boom in a helper")

                class Deep(Descent):
                    def misbehave(self):
                        helper()
            """
        }
    )
    if door == "table":
        arguments = ("--optbench-optimizer=acme2:Deep", "--optbench-tasks=bowl2", "--optbench-seeds=4")
    else:
        arguments = ()
        project.write(
            {
                "test_mark.py": """
                    import pytest

                    @pytest.mark.optbench(optimizer="acme2:Deep", tasks="bowl2", seeds=4)
                    def test_deep(optbench):
                        optbench.check()
                """
            }
        )
    result = project.bench(f"--tb={style}", *arguments)
    text = failure(result.text)
    assert result.outcomes == {"failed": 1}
    assert "RuntimeError: boom in a helper" in text
    assert "acme2.py" in text
    if (door, style) != ("mark", "native"):  # pytest's own native tracebacks have every frame
        assert "pytest_optbench/" not in text
    assert "torch/optim" not in text
    if style != "line":
        assert "raised by acme2:Deep on bowl2@1, seed 0, step 3 (4 of 4 seeds crashed)" in text


def test_tb_no_shows_nothing(project: Project) -> None:
    assert failure(project.table("Crashes").bench("--tb=no").text) == ""


def test_junit_properties_are_a_few_scalars(project: Project) -> None:
    project.table("Descent\nhyperparameters = { lr = 0.2 }", settings="tasks = 'bowl2'")
    properties = project.bench().properties("pyproject.toml.Descent.tasks::bowl2")
    assert {name: value for name, value in properties.items() if not name.startswith("optbench_steps")} == {
        "optbench_recipe": "Descent",
        "optbench_task": "bowl2@1",
        "optbench_tier": "unit",
        "optbench_outcome": "reached",
        "optbench_reached": "4",
        "optbench_seeds": "4",
        "optbench_target": "0.001",
        "optbench_budget": "40",
        "optbench_engine": "stacked",
    }
    steps = [float(properties[f"optbench_steps_{name}"]) for name in ("q1", "median", "q3")]
    assert steps == sorted(steps)
    assert all(1 < one <= 40 for one in steps)


def test_junit_properties_of_a_marked_test_are_those_of_the_marked_optimizer(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest

                @pytest.mark.optbench(optimizer="acme:Descent", tasks="bowl2", seeds=4)
                def test_two(optbench):
                    assert optbench.run().median_steps < optbench.run("acme:Slow").median_steps
            """
        }
    )
    assert project.bench().properties("test_mark::test_two[bowl2]")["optbench_recipe"] == "test_two"


@pytest.fixture
def frame(project: Project) -> pd.DataFrame:
    """The CSV of a run with every outcome, as pandas reads it."""
    project.table("Descent", "Slow", "NaNs", "Crashes", "Loops", settings="timeout = 0.5\ntasks = 'bowl2'").bench()
    return pd.read_csv(project.folder / "rows.csv")


def test_the_csv_has_the_documented_columns_in_order(frame: pd.DataFrame) -> None:
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 5 * 4


def test_pandas_reads_the_documented_types(frame: pd.DataFrame) -> None:
    for name, kind, _, _ in column_documentation():
        column = frame[name]
        if column.isna().all() or kind == "str":
            continue
        assert pd.api.types.is_numeric_dtype(column), name
        if kind == "int":
            assert pd.api.types.is_integer_dtype(column), name


def test_the_csv_tells_outcomes_from_missing_values(frame: pd.DataFrame) -> None:
    assert set(frame.outcome) == set(OUTCOMES)
    assert (frame.steps_to_target.notna() == (frame.outcome == "reached")).all()
    assert set(frame[frame.outcome == "reached"].verdict) == {"passed"}
    assert set(frame[frame.outcome != "reached"].verdict) == {"failed"}
    assert set(frame.change) == {"new"}
    assert (frame.initial > frame.target).all()


def test_curves_and_hyperparameters_are_json(frame: pd.DataFrame) -> None:
    for row in frame.itertuples():
        assert json.loads(row.hyperparameters) == {}
        curve = json.loads(row.curve)
        assert curve[0] == [0, row.initial]
        assert curve[-1][1] is None or math.isclose(curve[-1][1], row.final, rel_tol=0)


def test_rows_are_sorted_by_recipe_task_and_seed(frame: pd.DataFrame) -> None:
    keys = list(zip(frame.recipe, frame.task, frame.seed, strict=True))
    assert keys == sorted(keys)


def test_numbers_round_trip_exactly(project: Project) -> None:
    rows = project.table("Descent").bench().rows
    text = (project.folder / "rows.csv").read_text()
    for row in rows:
        assert repr(row.initial) in text
        assert isinstance(row.initial, float)


@pytest.mark.parametrize("name", ["-Evil", "+1", "--help", "1.0", "nan"])
def test_a_hostile_name_is_inert_in_the_csv_and_read_back_as_it_was(project: Project, name: str) -> None:
    project.table(f'{name}=Descent\ntasks = "bowl2"')
    result = project.bench()
    assert {row.recipe for row in result.rows} == {name}
    cells = pd.read_csv(project.folder / "rows.csv", dtype=str).recipe
    assert not cells.str.startswith(("=", "+", "-", "@")).any()
    assert set(result.junit) == {f"pyproject.toml.{name}.tasks::bowl2"}


@pytest.mark.parametrize("message", ["<b>&amp;]]>", "\\x00\\x1b[31mred", "\\ud800", "={1+1}", "%s %d {} \\\\"])
def test_a_hostile_message_of_an_exception_breaks_no_report(project: Project, message: str) -> None:
    project.write(
        {
            "evil.py": f'''
                from acme import Descent

                class Evil(Descent):
                    def misbehave(self):
                        raise RuntimeError("""{message}""")
            '''
        }
    )
    result = project.bench("--optbench-optimizer=evil:Evil", "--optbench-tasks=bowl2", "--optbench-seeds=4")
    assert result.outcomes == {"failed": 1}
    assert len(result.junit) == 1
    assert {row.outcome for row in result.rows} == {"crashed"}


def summary(text: str) -> list[str]:
    """The lines of our section of the terminal summary."""
    lines = text.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("=") and line.strip("= ") == "optbench")
    end = next(k for k in range(start + 1, len(lines)) if lines[k].startswith("====="))
    return lines[start + 1 : end]


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_summary_fits_the_terminal(project: Project, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "A_recipe_with_a_name_that_is_longer_than_many_a_terminal_is_wide"
    project.table("Descent", "NaNs", f"{long}=Slow").write({"matrix_only.py": MATRIX_ONLY})
    result = project.bench("-p", "no:randomly")
    lines = summary(result.text)
    assert [line for line in lines if len(line) > columns] == []
    assert sum(line.startswith("bowl2") and "diverged" in line and "0/4" in line for line in lines) == 1


MATRIX_ONLY = """
    from acme import Descent

    class MatrixOnly(Descent):
        def __init__(self, params):
            params = list(params)
            if any(p.ndim != 2 for p in params):
                raise ValueError("matrices only")
            super().__init__(params)
"""


def test_the_summary_shows_more_the_wider_the_terminal_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.table("Descent")
    headers = []
    for columns in (40, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        headers.append(summary(project.bench().text)[0].split())
    assert headers[1] == ["task", "verdict", "reached", "steps", "quartiles", "budget", "target", "speed-up"]
    assert headers[0] == [name for name in headers[1] if name in headers[0]]
    assert {"task", "verdict", "reached", "steps"} <= set(headers[0]) < set(headers[1])


def test_the_summary_counts_the_solved_and_the_misses_by_tag(project: Project) -> None:
    lines = summary(project.table("Descent", "Slow").bench().text)
    assert "Descent: solved 2 of 2" in lines
    wrapped = lines[lines.index("Descent: solved 2 of 2") + 1 :][:2]
    assert wrapped == [
        "Slow: solved 0 of 2; misses by tag: convex 2, easy 1, small 1, stretched 1,",
        "  unit 1",
    ]


def test_the_summary_gives_the_speed_against_par(project: Project) -> None:
    result = project.table('Descent\ntasks = "bowl2"').bench()
    (line,) = [line for line in summary(result.text) if line.startswith("bowl2")]
    steps = sorted(row.steps for row in result.rows)
    assert line.split()[-1] == f"{20 / ((steps[1] + steps[2]) / 2):.2f}x"


def test_the_summary_ends_with_the_next_command(project: Project) -> None:
    assert summary(project.table("Descent").run("--optbench").text)[-1] == (
        "keep the numbers: pytest --optbench --optbench-csv results.csv"
    )
    assert summary(project.bench().text)[-1] == "runs table: rows.csv"
    assert summary(project.table("Slow").bench().text)[-1] == "run the failures alone: pytest --optbench --lf"


def test_tasks_that_do_not_apply_are_listed_and_not_collected(project: Project) -> None:
    project.write({"matrix_only.py": MATRIX_ONLY})
    result = project.bench(
        "--optbench-optimizer=matrix_only:MatrixOnly", "--optbench-tasks=bowl2 or matrix_factor", "--optbench-seeds=2"
    )
    assert {row.task for row in result.rows} == {"matrix_factor"}
    assert "MatrixOnly does not apply to bowl2: has parameters of 1 dimension" in summary(result.text)


def test_no_summary_without_rows(project: Project) -> None:
    result = project.table("Descent").run("--optbench", "-k", "nothing")
    assert result.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "solved" not in result.text


@pytest.mark.parametrize("verbosity", ["-q", "-qq", "-v", "-vv"])
def test_every_verbosity_works(project: Project, verbosity: str) -> None:
    assert project.table("Descent", "Slow").bench(verbosity).code == pytest.ExitCode.TESTS_FAILED


def test_the_summary_says_when_a_step_evaluates_several_gradients(project: Project) -> None:
    result = project.bench("--optbench-optimizer=torch.optim:LBFGS", "--optbench-tasks=bowl2")
    (line,) = [line for line in summary(result.text) if line.startswith("LBFGS evaluates")]
    assert line.endswith("gradients in a step; its speed-up counts steps")


def test_pandas_takes_the_version_of_the_suite_for_text(project: Project) -> None:
    project.table("Descent").bench()
    (suite,) = set(pd.read_csv(project.folder / "rows.csv")["suite"])
    assert suite == f"optbench-{SUITE_VERSION}"


LATE = """
import time
from types import SimpleNamespace

import pytest
from pytest_optbench.integration import sink

sink.time = clock = SimpleNamespace(monotonic=time.monotonic)

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    clock.monotonic = lambda: time.monotonic() + 36000.0
"""


def test_the_time_of_runs_is_not_that_of_what_is_done_with_them(project: Project) -> None:
    with (project.folder / "conftest.py").open("a") as file:
        file.write(LATE)
    text = project.table("Slow").bench().text
    assert " runs in " in text
    assert float(text.partition(" runs in ")[2].split()[0]) < 36000
