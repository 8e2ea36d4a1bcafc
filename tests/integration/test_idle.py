"""Without `--optbench` the plugin does nothing, costs nothing and leaves nothing; with nothing to do it says so."""

from __future__ import annotations

import json
import sys

import pytest
from project import Project

MARKED = """
    import pytest

    @pytest.mark.optbench(optimizer="acme:Descent", tasks="bowl2")
    def test_marked(optbench):
        optbench.check()

    @pytest.mark.optbench(optimizer="acme:Descent", tasks="bowl2")
    def test_task(optbench_task, tmp_path):
        raise AssertionError("run")

    def test_plain():
        pass
"""
LOOK = """
    import json
    import subprocess
    import sys
    from pathlib import Path

    def refuse(*arguments, **keywords):
        raise AssertionError("a subprocess was started")

    subprocess.Popen.__init__ = refuse

    def pytest_unconfigure(config):
        Path("modules.json").write_text(json.dumps(sorted(sys.modules)))
"""


def test_the_table_collects_nothing(project: Project) -> None:
    result = project.table("Descent").run()
    assert result.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "optbench:" not in result.text


def test_marked_tests_are_skipped_with_the_reason(project: Project) -> None:
    result = project.table("Descent").write({"test_mark.py": MARKED}).run()
    assert result.outcomes == {"passed": 1, "skipped": 2}
    assert result.text.count("needs --optbench") == 2


def test_an_option_alone_does_not_start_the_benchmark(project: Project) -> None:
    result = project.run("--optbench-optimizer=acme:Descent")
    assert result.code == pytest.ExitCode.NO_TESTS_COLLECTED


def test_even_a_broken_table_disturbs_nobody(project: Project) -> None:
    project.write({"optbench.toml": "seeds = \n", "test_plain.py": "def test_plain():\n    pass\n"})
    assert project.run().outcomes == {"passed": 1}


def modules(project: Project, *arguments: str) -> set[str]:
    """What is imported at the end of a session of its own process; pytest-benchmark starts subprocesses of its own."""
    assert project.run("-p", "no:benchmark", *arguments, subprocess=True).code == pytest.ExitCode.OK
    return set(json.loads((project.folder / "modules.json").read_text()))


def test_nothing_heavy_is_imported_and_at_most_five_modules_of_ours(project: Project) -> None:
    project.table("Descent").write({"conftest.py": LOOK, "test_mark.py": MARKED})
    with_plugin = modules(project)
    ours = {name for name in with_plugin if name.partition(".")[0] == "pytest_optbench"}
    assert "pytest_optbench.plugin" in ours
    assert len(ours) <= 5
    (project.folder / "test_mark.py").write_text("def test_plain():\n    pass\n")
    blamed = with_plugin - modules(project, "-p", "no:optbench")
    assert not {name.partition(".")[0] for name in blamed} & {"torch", "numpy", "pandas", "sklearn", "scipy", "sympy"}


def test_no_file_or_folder_is_created(project: Project) -> None:
    project.table("Descent", settings='csv = "rows.csv"\nbaseline = "base.csv"').write({"test_mark.py": MARKED})
    arguments = ("-p", "no:cacheprovider", "-p", "no:benchmark")
    before = set(project.folder.rglob("*"))
    project.run(*arguments)
    created = {path.name for path in set(project.folder.rglob("*")) - before}
    assert {name for name in created if not name.endswith(".pyc") and name != "__pycache__"} == set()


@pytest.mark.parametrize("argument", ["--help", "--markers", "--fixtures", "--version"])
def test_pytests_own_questions_are_answered_with_the_flag_too(project: Project, argument: str) -> None:
    result = project.table("Descent").run("--optbench", argument)
    assert result.code == pytest.ExitCode.OK


def test_help_lists_every_option_and_ini_key(project: Project) -> None:
    text = project.run("--help").text
    assert "--optbench-optimizer" in text
    assert "optbench_seeds" in text
    assert "(default: 32)" in text


FOUND = """
    import torch
    from torch.optim import Optimizer

    class Lion(Optimizer):
        def step(self): ...

    class Tiger(torch.optim.Optimizer):
        def step(self): ...

    class Cat:
        pass

    raise SystemExit("never imported")
"""


def test_with_nothing_to_benchmark_the_sentence_names_what_to_try(project: Project) -> None:
    (project.folder / "acme.py").unlink()
    error = project.write({"src/zoo/cats.py": FOUND, "broken.py": "class Optimizer(:\n"}).bench().error
    assert "no [tool.optbench] table, no marked test, no --optbench-optimizer: nothing to benchmark" in error
    assert "pytest --optbench --optbench-optimizer zoo.cats:Lion" in error
    assert "Optimizers found here: zoo.cats:Lion, zoo.cats:Tiger." in error
    assert "Cat," not in error


def test_with_no_optimizer_in_sight_the_command_to_try_is_one_that_works(project: Project) -> None:
    (project.folder / "acme.py").unlink()
    assert "try: pytest --optbench --optbench-optimizer torch.optim:AdamW." in project.bench().error


def test_a_table_without_optimizers_is_named(project: Project) -> None:
    (project.folder / "acme.py").unlink()
    error = project.table(settings="seeds = 4").bench().error
    assert "pyproject.toml names no optimizer" in error


@pytest.mark.parametrize("folder", [".venv/lib", "venv/lib", "env/lib", "node_modules", "build"])
def test_folders_of_other_peoples_code_are_not_read(project: Project, folder: str) -> None:
    (project.folder / "acme.py").unlink()
    project.write({f"{folder}/zoo.py": FOUND, "env/pyvenv.cfg": f"home = {sys.prefix}\n"})
    assert "Lion" not in project.bench().error
