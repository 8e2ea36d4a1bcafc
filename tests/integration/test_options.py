"""The options: what `--optbench` and paths collect, which value of an option counts, and what options do."""

from __future__ import annotations

import pytest
from project import Project

CASES = ("pyproject.toml::Descent::tasks::bowl2", "pyproject.toml::Descent::tasks::bowl3")
PLAIN = "def test_plain():\n    pass\n"
MARKED = """
    import pytest
    from acme import Descent

    @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4)
    def test_marked(optbench):
        optbench.check()
"""


@pytest.fixture
def mixed(project: Project) -> Project:
    """A table, and a folder with an ordinary test and a marked one, which `testpaths` names."""
    project.table("Descent").write({"tests/test_plain.py": PLAIN, "tests/test_marked.py": MARKED})
    table = project.folder / "pyproject.toml"
    table.write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n\n' + table.read_text())
    return project


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--optbench"], {"tests/test_marked.py::test_marked[bowl2]", *CASES}),
        (
            ["--optbench", "--optbench-with-tests"],
            {"tests/test_plain.py::test_plain", "tests/test_marked.py::test_marked[bowl2]", *CASES},
        ),
        (["--optbench", "tests"], {"tests/test_marked.py::test_marked[bowl2]"}),
        (["--optbench", "tests/test_plain.py"], set()),
        (["--optbench", "--optbench-with-tests", "tests/test_plain.py"], {"tests/test_plain.py::test_plain"}),
        (["--optbench", "pyproject.toml"], set(CASES)),
        (["--optbench", "."], {"tests/test_marked.py::test_marked[bowl2]", *CASES}),
        (["--optbench", CASES[1], "tests"], {"tests/test_marked.py::test_marked[bowl2]", CASES[1]}),
        ([], {"tests/test_plain.py::test_plain"}),
        (["tests"], {"tests/test_plain.py::test_plain"}),
    ],
    ids=lambda value: " ".join(sorted(value) if isinstance(value, set) else value),
)
def test_what_a_command_runs(mixed: Project, arguments: list[str], expected: set[str]) -> None:
    assert set(mixed.run(*arguments).passed) == expected


def test_ordinary_tests_are_counted_as_deselected(mixed: Project) -> None:
    assert mixed.run("--optbench").outcomes == {"passed": 3, "deselected": 1}


def test_an_optimizer_of_the_command_line_runs_beside_a_path(mixed: Project) -> None:
    result = mixed.bench("--optbench-optimizer=New=acme:Descent", "tests")
    assert {row.recipe for row in result.rows} == {"New", "test_marked"}


def test_the_table_is_found_from_a_folder_below(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed.folder / "tests")
    passed = set(mixed.run("--optbench").passed)
    assert passed == {*(f"../{case}" for case in CASES), "test_marked.py::test_marked[bowl2]"}


def test_a_table_where_pytest_is_started_is_found_though_the_root_is_above(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "sub").mkdir()
    project.write({"pytest.ini": "[pytest]\n"}).table("Descent", file="sub/optbench.toml")
    monkeypatch.chdir(project.folder / "sub")
    assert project.run("--optbench").passed == tuple(case.replace("pyproject", "optbench") for case in CASES)


@pytest.mark.parametrize(
    ("table", "ini", "option", "expected"),
    [
        (5, None, None, 5),
        (5, 6, None, 6),
        (5, 6, 7, 7),
        (None, 6, None, 6),
    ],
)
def test_the_command_line_goes_before_the_ini_file_and_that_before_the_table(
    project: Project, table: int | None, ini: int | None, option: int | None, expected: int
) -> None:
    project.table("Descent", settings=f"seeds = {table}\ntasks = 'bowl2'" if table else "# seeds\ntasks = 'bowl2'")
    if ini:
        project.write({"pytest.ini": f"[pytest]\noptbench_seeds = {ini}\n"})
    result = project.bench(*([f"--optbench-seeds={option}"] if option else []))
    assert len(result.rows) == expected


def test_full_budget_runs_on_after_the_target(project: Project) -> None:
    short = {(row.task, row.seed): row for row in project.table("Descent").bench().rows}
    for row in project.bench("--optbench-full-budget").rows:
        before = short[row.task, row.seed]
        assert row.steps_to_target == before.steps_to_target
        assert row.curve.count("[") > before.curve.count("[")


def test_every_engine_gives_the_same_bits(project: Project) -> None:
    project.table("Descent")
    found = {}
    for engine in ("auto", "lockstep", "sequential"):
        rows = project.bench(f"--optbench-engine={engine}").rows
        found[engine] = {(row.task, row.seed): row.trajectory_sha for row in rows}
    assert found["auto"] == found["lockstep"] == found["sequential"]


def test_fewer_seeds_give_the_same_rows_for_those_seeds(project: Project) -> None:
    many = {
        (row.task, row.seed): row.trajectory_sha for row in project.table("Descent").bench("--optbench-seeds=8").rows
    }
    few = {(row.task, row.seed): row.trajectory_sha for row in project.bench("--optbench-seeds=1").rows}
    assert few == {key: sha for key, sha in many.items() if key[1] == 0}
    assert len(set(many.values())) == 16
