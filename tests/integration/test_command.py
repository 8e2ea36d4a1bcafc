"""The `optbench` command."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import Project

from pytest_optbench import cli
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.words.claims import CLAIMS
from pytest_optbench.words.run import COLUMNS


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert cli.main(arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_tasks_lists_every_task_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    header, *lines = output(capsys, "tasks")
    assert header.split() == ["task", "tier", "target", "budget", "par", "budget", "from", "optimum", "tags"]
    assert [line.split()[0] for line in lines] == [f"{task.name}@{task.version}" for task in CATALOGUE]


def test_tasks_takes_an_expression(capsys: pytest.CaptureFixture[str]) -> None:
    _, *lines = output(capsys, "tasks", "convex and not noisy")
    assert {line.split("@")[0] for line in lines} == {
        task.name for task in CATALOGUE if "convex" in task.tags and "noisy" not in task.tags
    }


def test_tasks_shows_one_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(output(capsys, "tasks", "rosenbrock2"))
    assert text.startswith("rosenbrock2@1\n")
    for word in ("tier ", "tags ", "optimum ", "target ", "levels ", "budget ", "par ", "source ", "cost ", "picture "):
        assert f"\n{word}" in text
    for title in ("knobs", "references, each tuned for the target and the budget"):
        assert f"\n{title}\n" in text


def test_tasks_takes_several_words_in_the_order_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    _, *lines = output(capsys, "tasks", "rosenbrock2", "sphere10")
    assert [line.split("@")[0] for line in lines] == ["sphere10", "rosenbrock2"]


def test_tasks_draws_one_of_two_parameters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "beale.png"
    lines = output(capsys, "tasks", "beale", "--plot", str(path))
    assert f"picture      {path}" in lines
    assert path.read_bytes().startswith(b"\x89PNG")


def test_tasks_knows_those_of_the_table(capsys: pytest.CaptureFixture[str], project: Project) -> None:
    project.table("Descent", settings="task_modules = ['bowls']")
    _, *lines = output(capsys, "tasks", "bowl*")
    assert [line.split()[0] for line in lines] == ["bowl2@1", "bowl3@1"]


def test_tasks_shows_one_by_its_class(capsys: pytest.CaptureFixture[str], project: Project) -> None:
    assert output(capsys, "tasks", "bowls:Bowl2")[0] == "bowl2@1"
    project.table("Descent", settings="task_modules = ['bowls']")
    assert output(capsys, "tasks", "bowls:Bowl2")[0] == "bowl2@1"


def test_tasks_lists_those_of_a_module(capsys: pytest.CaptureFixture[str], project: Project) -> None:
    _, *lines = output(capsys, "tasks", "--module", "bowls", "bowl*")
    assert [line.split()[0] for line in lines] == ["bowl2@1", "bowl3@1"]


def test_columns_documents_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "columns")
    assert tuple(line.split()[0] for line in lines) == COLUMNS
    assert all(len(line.split()) > 3 for line in lines)


def test_checks_lists_every_check_with_its_property(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "checks")
    assert [line.split()[0] for line in lines] == list(CHECKS)
    assert all(line.endswith(".") and len(line.split()) > 4 for line in lines)


def test_checks_shows_one_with_its_criterion_and_exemptions(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "checks", "moves_and_descends")
    assert lines[0] == "moves_and_descends"
    assert any("Criterion:" in line for line in lines)
    assert "  lr_unused: the learning rate has no effect after construction" in lines


def test_checks_lists_the_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in output(capsys, "checks", "--claims")] == list(CLAIMS)


def test_claims_prints_a_table_to_paste(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "claims", "torch.optim:SGD(lr=0.1, momentum=0.9)")
    assert lines[:4] == [
        "[tool.optbench.optimizers.SGD]",
        'class = "torch.optim:SGD"',
        "hyperparameters = { lr = 0.1, momentum = 0.9 }",
        'family = "sgd_like"',
    ]
    assert 'scale = "linear"' in lines


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["checks", "resum"], "optbench checks: unknown check 'resum'; did you mean 'resume'?"),
        (["claims", "torch.optim:Sgd"], "module 'torch.optim' has no 'Sgd'"),
        (["tasks", "rosenbrok2"], "no task or tag is called 'rosenbrok2'; did you mean 'rosenbrock2'?"),
        (["tasks", "bowls:Nothing"], "optbench: task 'bowls:Nothing': no module named 'bowls'"),
        (
            ["tasks", "pytest_optbench.tasks:Threshold"],
            "is <class 'pytest_optbench.words.threshold.Threshold'>; expected a Task",
        ),
        (["tasks", "convex", "--plot", "a.png"], "--plot: a picture is of one task; name it"),
        (["admit", "rosenbrok2"], "optbench admit: no task or tag is called 'rosenbrok2'"),
        (["tasks", "convex and"], "expected a task or a tag, found 'the end'"),
        (["tasks", "--module", "nowhere_at_all"], "no module named 'nowhere_at_all'"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith("optbench: ")
    assert captured.out == ""


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--help"], 0), ([], 2), (["task"], 2)])
def test_the_parser_answers_for_itself(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == code
