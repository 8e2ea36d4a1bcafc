"""On a runner of GitHub, failures are annotated on the optimizer's own line."""

from __future__ import annotations

import pytest
from project import Project, Result


@pytest.fixture(autouse=True)
def _on_github(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.folder))


def commands(result: Result) -> list[str]:
    return [line for line in result.lines if line.startswith("::")]


def line_of(project: Project, start: str, file: str = "acme.py") -> int:
    lines = (project.folder / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_a_miss_is_annotated_where_the_class_is_defined(project: Project) -> None:
    project.table("Descent", 'Slow\ntasks = "bowl2"')
    assert commands(project.bench()) == [
        f"::error file=acme.py,line={line_of(project, 'class Slow')},title=Slow on bowl2::"
        "Slow on bowl2@1: 0 of 4 seeds reached the target 0.001 within 40 steps (at least half must); 4 missed."
    ]


def test_an_exception_is_named_with_its_seed_and_step(project: Project) -> None:
    (command,) = commands(project.table('Crashes\ntasks = "bowl2"').bench("--tb=no"))
    assert "::RuntimeError: boom in the third step; raised by acme:Crashes on bowl2@1, seed 0, step 3" in command


def test_what_workers_report_is_annotated_and_the_death_of_one_first(project: Project) -> None:
    project.table("Slow", "Exits", settings='tasks = "bowl2"')
    died, missed = commands(project.bench("-n1", subprocess=True))
    assert died == (
        f"::error file=acme.py,line={line_of(project, 'class Exits')},title=Exits on bowl2::the process died in it"
    )
    assert missed.startswith(f"::error file=acme.py,line={line_of(project, 'class Slow')},title=Slow on bowl2::")


def test_a_broken_property_is_annotated(project: Project) -> None:
    project.write(
        {
            "zoo.py": """
                import torch

                class Still(torch.optim.SGD):
                    def step(self, closure=None): ...
            """
        }
    )
    arguments = ("--optbench-optimizer=zoo:Still", "--optbench-layer=contract", "-k", "moves_and_descends")
    first, *_ = commands(project.bench(*arguments))
    place = f"::error file=zoo.py,line={line_of(project, 'class Still', 'zoo.py')},title=Still "
    assert first.startswith(place)
    assert "default%3A%3Amoves_and_descends" in first


def test_a_test_of_the_users_is_annotated_at_the_optimizer_by_the_name_of_the_test(project: Project) -> None:
    project.write(
        {
            "test_mark.py": """
                import pytest

                @pytest.mark.optbench(optimizer="acme:Slow", tasks="bowl2", seeds=4)
                def test_slow(optbench):
                    optbench.check()
            """
        }
    )
    (command,) = commands(project.bench())
    assert command.startswith(
        f"::error file=acme.py,line={line_of(project, 'class Slow')},title=test_mark.py%3A%3Atest_slow[bowl2]::"
        "test_slow on bowl2@1: 0 of 4 seeds"
    )


def test_what_is_expected_to_fail_is_not_annotated(project: Project) -> None:
    project.table('Slow\ntasks = "bowl2"\nexpected_failures = { bowl2 = "known" }')
    assert commands(project.bench()) == []


def test_a_try_that_a_rerun_mends_is_not_annotated(project: Project) -> None:
    project.write(
        {
            "zoo.py": """
                from pathlib import Path
                from acme import Descent

                class Flaky(Descent):
                    def misbehave(self):
                        if not Path("tried").exists():
                            Path("tried").touch()
                            raise RuntimeError("once")
            """
        }
    )
    arguments = ("--optbench-optimizer=zoo:Flaky", "--optbench-tasks=bowl2", "--optbench-engine=lockstep", "--reruns=1")
    result = project.bench(*arguments, subprocess=True)
    assert result.outcomes["rerun"] == 1
    assert commands(result) == []


def test_elsewhere_nothing_is_annotated(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert commands(project.table("Slow").bench()) == []


def test_a_fingerprint_that_moved_and_what_is_gone_are_annotated(project: Project) -> None:
    settings = 'seeds = 20\nbaseline = "base.csv"\ntasks = "bowl2"'
    layers = "--optbench-layer=tasks,fingerprint"
    project.table("Descent", "Slow", settings=settings).bench(layers, "--optbench-save")
    project.write({"acme.py": (project.folder / "acme.py").read_text().replace("lr=0.3", "lr=0.31")})
    moved, gone = commands(project.table("Descent", settings=settings).bench(layers))
    place = f"file=acme.py,line={line_of(project, 'class Descent')}"
    assert moved.startswith(
        f"::error {place},title=Descent fingerprint of default::Descent fingerprint of default, comp"
    )
    assert gone == (
        "::error file=pyproject.toml,title=gone from the baseline::"
        "gone: Slow on bowl2@1, Slow fingerprint of default: in base.csv, and not declared any more"
    )
