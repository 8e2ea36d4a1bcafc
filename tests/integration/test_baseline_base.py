"""`--optbench-base REF`: the suite is run at another commit first, with that commit's own optimizer."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from project import Project

SETTINGS = 'seeds = 20\ntasks = "bowl2"'
SOURCE = """
    import torch

    class Descent(torch.optim.SGD):
        def __init__(self, params, lr={lr}):
            super().__init__(params, lr=lr)
"""
FINDERS = {
    "path": "sys.path.append({folder!r})",
    "finder": "sys.meta_path.append(Editable)",
    "first": "sys.meta_path.insert(0, Editable)",
}
"""Ways in which an editable installation of the branch makes it importable; the last one goes before every folder."""
INSTALLATION = """
    import importlib.util
    import sys

    class Editable:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "acme":
                return importlib.util.spec_from_file_location(name, {file!r})

    {statement}
"""
KILLER = """
    import os
    import signal
    from pathlib import Path

    from bowls import Bowl2

    def pytest_optbench_tasks(config):
        once = Path({once!r})
        if config.getoption("optbench_base_of") and not once.exists():
            once.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        return [Bowl2()]
"""
"""The first run at another commit kills the session that has started it."""


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    command = ["git", "-C", str(folder), *names, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def committed(project: Project) -> Project:
    if not (project.folder / ".git").exists():
        git(project.folder, "init", "-q")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-q", "--allow-empty", "-m", "a commit")
    return project


def leaves_nothing(project: Project) -> bool:
    """Is the worktree gone, for git as well?"""
    folders = list(Path(tempfile.gettempdir()).glob("optbench-*"))
    return not folders and git(project.folder, "worktree", "list").count("\n") == 0


@pytest.fixture
def based(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository with a package in `src`, whose first commit has `Descent` at 0.3."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (project.folder / "acme.py").unlink()
    project.write({"src/acme.py": SOURCE.format(lr=0.3), ".gitignore": "__pycache__\n*.csv\n*.xml\n.*\n"})
    return committed(project.table("Descent", settings=SETTINGS))


def test_the_same_code_is_unchanged(based: Project) -> None:
    result = based.bench("--optbench-base=HEAD", "--optbench-layer=tasks,fingerprint")
    assert result.outcomes == {"passed": 2}, result.text
    assert "1 case unchanged" in result.lines
    assert any(line.startswith("1 fingerprint as in HEAD (") for line in result.lines)
    assert leaves_nothing(based)


@pytest.mark.full
def test_what_a_killed_session_left_is_removed_by_the_next_one(based: Project) -> None:
    committed(based.write({"conftest.py": KILLER.format(once=str(based.folder / "once.csv"))}))
    assert based.bench("--optbench-base=HEAD", subprocess=True).code == -signal.SIGKILL
    (left,) = Path(tempfile.gettempdir()).glob("optbench-base-*/*/.git")
    result = based.bench("--optbench-base=HEAD")
    assert result.outcomes == {"passed": 1}, result.text
    assert not left.parent.parent.exists()
    assert git(based.folder, "worktree", "list").count("\n") == 0


def test_a_slower_branch_fails_beside_its_base(based: Project) -> None:
    committed(based.write({"src/acme.py": SOURCE.format(lr=0.2)}))
    result = based.bench("--optbench-base", "HEAD~1")
    assert result.outcomes == {"failed": 1}
    assert "compared with HEAD~1 (" in result.text
    assert "slower on 20 of 20 pairs of seeds" in result.text
    assert "to accept it: merge it, or leave its word out of --optbench-fail-on" in result.text


@pytest.mark.parametrize("way", [pytest.param("path", marks=pytest.mark.full), "finder"])
def test_the_optimizer_of_the_base_is_run_whatever_is_installed(
    based: Project, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    installed(based, monkeypatch, way)
    based.write({"src/acme.py": SOURCE.format(lr=0.2)})
    result = based.bench("--optbench-base=HEAD", subprocess=True)
    assert result.outcomes == {"failed": 1}, result.text
    assert "first difference: seed 0: evaluation at step " in result.text


@pytest.mark.full
def test_an_installation_that_wins_over_every_folder_is_told(based: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(based, monkeypatch, "first")
    error = based.bench("--optbench-base=HEAD", subprocess=True).error
    assert "measured nothing: " in error
    assert "acme.py, not from the base commit" in error
    assert leaves_nothing(based)


def installed(project: Project, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Have every Python process that is started from now on find the package of the branch."""
    folder = project.folder / "src"
    statement = FINDERS[way].format(folder=str(folder))
    site = project.folder.parent / "site"
    project.write(
        {str(site / "sitecustomize.py"): INSTALLATION.format(file=str(folder / "acme.py"), statement=statement)}
    )
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")


@pytest.mark.full
def test_two_workers_compare_with_the_same_base(based: Project) -> None:
    committed(based.write({"src/acme.py": SOURCE.format(lr=0.2)}))
    result = based.bench("--optbench-base=HEAD~1", "-n2", "-p", "no:benchmark")
    assert result.outcomes == {"failed": 1}, result.text
    assert result.words("change") == {("Descent", "bowl2"): {"slower"}}


@pytest.mark.full
def test_a_recipe_that_the_base_lacks_is_new(based: Project) -> None:
    committed(based.table("Descent", "Other=Descent", settings=SETTINGS))
    result = based.bench("--optbench-base=HEAD~1")
    assert result.outcomes == {"passed": 2}
    assert result.words("change") == {("Descent", "bowl2"): {"unchanged"}, ("Other", "bowl2"): {"new"}}


@pytest.mark.full
def test_an_optimizer_of_the_command_line_that_the_base_lacks_is_new(based: Project) -> None:
    based.write({"src/acme.py": SOURCE.format(lr=0.3) + "\n    class Fresh(Descent):\n        pass\n"})
    result = based.bench("--optbench-base=HEAD", "--optbench-optimizer=acme:Fresh")
    assert result.outcomes == {"passed": 1}, result.text
    assert result.words("change") == {("Fresh", "bowl2"): {"new"}}


def test_a_base_without_a_table_has_nothing_to_compare_with(project: Project) -> None:
    committed(project)
    result = committed(project.table("Descent", settings=SETTINGS)).bench("--optbench-base=HEAD~1")
    assert result.outcomes == {"passed": 1}
    assert any(
        line.startswith("optbench: HEAD~1 (") and line.endswith("benchmarks nothing: every case is new, absolute gate")
        for line in result.lines
    )


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("mian", "--optbench-base: no commit is called 'mian' here; did you mean 'main' (a shallow clone may lack it)"),
        ("--all", "--optbench-base: no commit is called '--all' here"),
    ],
)
def test_a_commit_that_is_not_there(based: Project, ref: str, sentence: str) -> None:
    git(based.folder, "branch", "-M", "main")
    assert sentence in based.bench(f"--optbench-base={ref}").error


def test_a_folder_that_is_no_repository(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.folder.parent))
    error = project.table("Descent", settings=SETTINGS).bench("--optbench-base=main").error
    assert error.startswith("--optbench-base: ")
    assert error.endswith("is in no git repository")


def test_without_git(based: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "--optbench-base needs git, which cannot be run here" in based.bench("--optbench-base=HEAD").error


def test_a_base_that_does_not_run_is_told_with_its_own_sentence(based: Project) -> None:
    committed(based.write({"src/acme.py": "import nowhere_to_be_found\n"}))
    based.write({"src/acme.py": SOURCE.format(lr=0.3)})
    error = based.bench("--optbench-base=HEAD").error
    assert "measured nothing: " in error
    assert "No module named 'nowhere_to_be_found'" in error
    assert leaves_nothing(based)


@pytest.mark.parametrize("option", ["--optbench-compare=base.csv", "--optbench-save", "--optbench-save-new"])
def test_a_base_excludes_files(based: Project, option: str) -> None:
    assert "--optbench-base and --optbench-" in based.bench("--optbench-base=HEAD", option).error


def test_collecting_alone_runs_nothing(based: Project) -> None:
    assert based.bench("--optbench-base=HEAD", "--collect-only").code == 0
