"""pytest-xdist: two workers give what one process gives."""

from __future__ import annotations

import csv

import pytest
from project import Project, Result

from pytest_optbench.words.run import COLUMNS, VOLATILE

# pytest-benchmark warns that it does nothing under xdist, and warnings are errors here.
TWO = ("-n2", "-p", "no:benchmark")
MARKED = """
    import pytest
    from acme import Descent, NaNs

    @pytest.mark.optbench(optimizer=NaNs, tasks="bowl*", seeds=4)
    def test_marked(optbench):
        optbench.run(Descent, lr=0.1)
        optbench.check()
"""


def lasting(result: Result) -> list[dict[str, str]]:
    """The CSV as text, cell by cell, without the columns that time and memory decide."""
    with (result.folder / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    return [{name: cell for name, cell in row.items() if name not in VOLATILE} for row in rows]


@pytest.fixture
def many(project: Project) -> Project:
    """Cases of every outcome but the slow ones, from the table and from a mark."""
    project.table("Descent", "Slow", 'Known=Slow\nexpected_failures = { bowl2 = "too slow" }', "Crashes")
    return project.write({"test_mark.py": MARKED})


@pytest.mark.parametrize(
    "mode",
    [
        "load",
        pytest.param("worksteal", marks=pytest.mark.full),
        pytest.param("loadscope", marks=pytest.mark.full),
        pytest.param("loadfile", marks=pytest.mark.full),
        pytest.param("loadgroup", marks=pytest.mark.full),
    ],
)
def test_two_workers_give_what_one_process_gives(many: Project, mode: str) -> None:
    serial = many.bench("-p", "no:randomly")
    expected = lasting(serial)
    parallel = many.bench(*TWO, f"--dist={mode}")
    assert parallel.outcomes == serial.outcomes == {"passed": 2, "failed": 7, "xfailed": 1}
    assert set(parallel.junit) == set(serial.junit)
    assert lasting(parallel) == expected


def test_each_gives_every_row_once(project: Project) -> None:
    serial = lasting(project.table("Descent").bench())
    parallel = project.bench(*TWO, "--dist=each")
    assert parallel.outcomes == {"passed": 4}
    assert lasting(parallel) == serial


def test_a_worker_that_dies_leaves_a_crashed_case_and_the_rest_intact(project: Project) -> None:
    result = project.table('Exits\ntasks = "bowl2"', "Descent").bench(*TWO)
    assert result.outcomes["passed"] == 2
    assert result.outcomes["failed"] == 1
    assert result.words() == {
        ("Exits", "bowl2"): {"crashed"},
        ("Descent", "bowl2"): {"reached"},
        ("Descent", "bowl3"): {"reached"},
    }
    assert [(row.seed, row.verdict) for row in result.rows if row.recipe == "Exits"] == [
        (k, "failed") for k in range(4)
    ]
    assert len(result.junit) == 3


def test_a_mistake_in_the_table_is_told_once_and_starts_no_worker(project: Project) -> None:
    result = project.table("Descent\nhyperparameters = { lr = -1.0 }").bench(*TWO)
    assert "Invalid learning rate: -1.0" in result.error
    assert "gw0" not in result.text


def test_a_mistake_in_a_mark_is_a_usage_error_with_workers_too(project: Project) -> None:
    project.table("Descent").write({"test_mark.py": MARKED.replace("seeds=", "sedes=")})
    result = project.bench(*TWO)
    assert result.code == pytest.ExitCode.USAGE_ERROR, result.text
    assert "unknown keyword of the mark optbench 'sedes'; did you mean 'seeds'?" in result.text
    assert "passed" not in result.outcomes


@pytest.mark.full
def test_a_text_that_has_no_bytes_does_not_kill_a_worker(project: Project) -> None:
    project.write(
        {
            "acme.py": """
                import torch

                class Odd(torch.optim.SGD):
                    def step(self, closure=None):
                        raise RuntimeError("a lone \\udc80 surrogate")
            """
        }
    )
    project.table('Odd\ntasks = "bowl2"')
    result = project.bench("-n1", "-p", "no:benchmark", subprocess=True)
    assert result.outcomes == {"failed": 1}, result.text
    assert result.words() == {("Odd", "bowl2"): {"crashed"}}
