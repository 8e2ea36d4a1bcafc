"""`optbench init` as a command: it shows, asks, writes, and says what to do next."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project

from pytest_optbench import cli

LION = (
    "import torch\nclass Lion(torch.optim.SGD):\n    def __init__(self, params, lr=0.3): super().__init__(params, lr)\n"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zoo.py").write_text(LION)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


ALL = {"zoo.py", "optbench.toml", ".github/workflows/optbench.yml", ".github/workflows/optbench-comment.yml"}


@pytest.mark.parametrize(
    ("arguments", "answer", "code", "left"),
    [
        (["--yes"], None, 0, ALL),
        ([], "y\n", 0, ALL),
        ([], "\n", 1, {"zoo.py"}),
        ([], "", 1, {"zoo.py"}),
        ([], None, 1, {"zoo.py"}),
        (["--dry-run"], None, 0, {"zoo.py"}),
    ],
    ids=["--yes", "yes", "no", "end of file", "no terminal", "--dry-run"],
)
def test_nothing_is_written_without_a_yes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], answer: str | None, code: int, left: set[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO() if answer is None else Terminal(answer))
    assert cli.main(["init", str(folder), *arguments]) == code
    assert files(folder) == left


def test_it_shows_the_files_and_ends_with_the_next_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(folder), "--yes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.removeprefix("--- new file ") for line in lines if line.startswith("---")} == ALL - {"zoo.py"}
    assert lines[-1] == "next: pytest --optbench"


def test_without_a_terminal_a_sentence_names_the_flag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["init", str(folder)])
    assert capsys.readouterr().err == ("optbench init: nothing is written without a terminal to ask on; give --yes\n")


def test_a_folder_without_optimizers_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("optbench: init: no subclass of torch.optim.Optimizer found in ")


def test_the_next_command_works(project: Project) -> None:
    project.write({"zoo.py": LION})
    (project.folder / "acme.py").unlink()
    assert cli.main(["init", str(project.folder), "--yes"]) == 0
    result = project.bench("--optbench-tasks=bowl*", "--optbench-seeds=4")
    assert result.outcomes == {"passed": 2}


def test_no_torch_is_imported(folder: Path) -> None:
    code = (
        "import sys; from pytest_optbench.cli import main; main(['init', '--dry-run']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pytest', 'zoo')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0
