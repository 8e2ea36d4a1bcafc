"""Bad input is answered before anything runs: exit code 4 and one sentence that says what is wrong and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from project import Project

SCHEDULES = """
    import torch

    def plateau(optimizer, budget):
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)

    def broken(optimizer, budget):
        raise ZeroDivisionError("no budget")

    class NoOptimizer:
        def __init__(self, params):
            pass

    def no_optimizer(params):
        return NoOptimizer(params)

    class Needy(torch.optim.SGD):
        def __init__(self, params, lr):
            super().__init__(params, lr=lr)

    constant = 3
"""


def nothing_ran(project: Project) -> bool:
    return not (project.folder / "rows.csv").exists() and not (project.folder / "junit.xml").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("tire = 'unit'", "pyproject.toml: unknown key 'tire'; did you mean 'tier'?"),
        ("tier = 'tiny'", "pyproject.toml: tier: unknown value 'tiny'; valid are full, small, unit"),
        ("seeds = 0", "pyproject.toml: seeds is 0; expected at least 1"),
        ("seeds = 'many'", "pyproject.toml: seeds is 'many'; expected a whole number"),
        ("seeds = 2.5", "pyproject.toml: seeds is 2.5; expected a whole number"),
        ("seeds = true", "pyproject.toml: seeds is True; expected a whole number"),
        ("timeout = -1", "pyproject.toml: timeout is -1; expected 0 or more"),
        ("timeout = inf", "pyproject.toml: timeout is inf; expected 0 or more"),
        ("timeout = nan", "pyproject.toml: timeout is nan; expected 0 or more"),
        ("tasks = 'bowl22'", "pyproject.toml: tasks: no task or tag is called 'bowl22'; did you mean 'bowl2'?"),
        ("tasks = 'convexx'", "pyproject.toml: tasks: no task or tag is called 'convexx'; did you mean 'convex'?"),
        ("tasks = 'bowl2 and'", "pyproject.toml: tasks: expected a task or a tag, found 'the end'"),
        ("tasks = '(bowl2'", "pyproject.toml: tasks: a parenthesis is not closed in the expression '(bowl2'"),
        ("tasks = 'bowl2 | bowl3'", "pyproject.toml: tasks: unexpected '|' in the expression 'bowl2 | bowl3'"),
        ("tasks = 'bowl2 bowl3'", "pyproject.toml: tasks: unexpected 'bowl3' in the expression 'bowl2 bowl3'"),
        ("tasks = ['bowl2']", "pyproject.toml: tasks is ['bowl2']; expected a string"),
        ("tasks = 'bowl3'\ntier = 'unit'", "'bowl3' leaves no task of tier 'unit' for Descent"),
        ("tasks = 'bowl2 and stretched'", "pyproject.toml: tasks: no task matches 'bowl2 and stretched'"),
        ("device = 'gpu'", "pyproject.toml: device: device 'gpu' cannot be used: "),
        ("device = 'cuda:99'", "pyproject.toml: device: device 'cuda:99' cannot be used: "),
        ("engine = 'warp'", "pyproject.toml: engine: unknown value 'warp'; valid are "),
        ("full_budget = 'yes please'", "pyproject.toml: full_budget: unknown value 'yes please'"),
        ("csv = 'no/such/folder/rows.csv'", "no/such/folder does not exist"),
        ("task_modules = 'bowls'", "pyproject.toml: task_modules is 'bowls'; expected a list"),
        ("task_modules = ['bowlz']", "task_modules: 'bowlz': no module named 'bowlz'"),
        ("task_modules = ['acme']", "task_modules: 'acme' holds no task"),
        ("task_modules = [3]", "pyproject.toml: task_modules is 3; expected a string"),
        ("optimizers = 3", "pyproject.toml [tool.optbench]: optimizers is 3; expected a table"),
    ],
)
def test_a_mistake_in_a_setting_of_the_table(project: Project, settings: str, sentence: str) -> None:
    project.table(*(() if "optimizers" in settings else ("Descent",)), settings=settings)
    arguments = () if "csv" in settings else ("--optbench-csv=rows.csv",)
    assert sentence in project.run("--optbench", "--junitxml=junit.xml", *arguments).error
    assert nothing_ran(project)


@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [
        ("Descent\nhyperparameter = {}", "unknown key 'hyperparameter'; did you mean 'hyperparameters'?"),
        ("Descent\nhyperparameters = 3", "hyperparameters is 3; expected a table"),
        ("Descent\nhyperparameters = { lrr = 0.1 }", "acme:Descent has no hyperparameter 'lrr'; did you mean 'lr'?"),
        ("Descent\nhyperparameters = { lr = -1.0 }", "refuses (lr=-1.0): ValueError: Invalid learning rate: -1.0"),
        ("Descent\nhyperparameters = { lr = 'fast' }", "acme:Descent refuses (lr='fast'): TypeError"),
        ("N=Needy", "schedules:Needy has no default for 'lr'; set it in 'hyperparameters'"),
        ("Descend", "module 'acme' has no 'Descend'; did you mean 'Descent'?"),
        ("N=NoOptimizer", "class 'schedules:NoOptimizer' is no torch.optim.Optimizer"),
        ("N=no_optimizer", "schedules:no_optimizer made a NoOptimizer; expected a torch.optim.Optimizer"),
        ("N=constant", "'schedules:constant' is a int; expected a class"),
        ("Descent\nclaims = { weight_decays = 'l2' }", "unknown claim 'weight_decays'; did you mean 'weight_decay'?"),
        ("Descent\nclaims = { weight_decay = 'some' }", "unknown value of claim 'weight_decay': 'some'"),
        ("Descent\nclaims = { sparse_only = 'no' }", "claim 'sparse_only' (dense gradients raise) is 'no'"),
        ("Descent\nfamily = 'adamlike'", "unknown family 'adamlike'; did you mean 'adam_like'?"),
        ("Descent\nsearch = { lr = { lo = 1 } }", "search.lr: unknown key 'lo'; did you mean 'low'?"),
        ("Descent\nconfigurations = { big = { lrr = 1 } }", "configuration 'big': acme:Descent has no hyperparameter"),
        ("Descent\nconfigurations = { big = { lr = -1 } }", "configuration 'big': acme:Descent refuses (lr=-1)"),
        ("Descent\nscheduler = 'schedules:plateau'", "ReduceLROnPlateau.step() needs 'metrics'"),
        ("Descent\nscheduler = 'schedules:broken'", "scheduler: calling the factory with (optimizer, budget) raised"),
        ("Descent\nscheduler = 'schedules:constant'", "scheduler 'schedules:constant' is no factory"),
        ("Descent\nreference = 'torch.optim:AdamV'", "module 'torch.optim' has no 'AdamV'; did you mean 'Adam'?"),
        ("Descent\nexpected_failures = { bowl = 'why' }", "unknown task or check 'bowl'; did you mean 'bowl3'?"),
        ("Descent\nexpected_failures = { bowl2 = true }", "expected_failures.bowl2 is True; expected a string"),
        ("Descent\ntasks = 'bowl'", "tasks: no task or tag is called 'bowl'; did you mean 'bowl3'?"),
        ("a b=Descent", "'a b' is no name for an optimizer"),
    ],
)
def test_a_mistake_in_the_table_of_an_optimizer(project: Project, optimizer: str, sentence: str) -> None:
    project.table(optimizer).write({"schedules.py": SCHEDULES})
    table = project.folder / "pyproject.toml"
    if optimizer.startswith("N="):
        table.write_text(table.read_text().replace("acme:", "schedules:"))
    error = project.bench().error
    assert sentence in error
    name = re.match(r"[^=\n]+", optimizer)
    assert f"pyproject.toml [tool.optbench.optimizers.{name[0] if name else ''}]" in error
    assert nothing_ran(project)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("acne:Descent", "no module named 'acne'; is its package installed?"),
        ("torch.optimizers:Adam", "no module named 'torch.optimizers'"),
        ("Descent", "'Descent' names nothing; expected module:name, as in 'acme.optim:AcmeAdamW'"),
        ("bad_syntax:X", "importing 'bad_syntax' failed: SyntaxError"),
        ("bad_import:X", "importing 'bad_import' failed: No module named 'nowhere_at_all'"),
    ],
)
@pytest.mark.parametrize("door", ["table", "option"])
def test_an_optimizer_that_cannot_be_imported(project: Project, door: str, path: str, sentence: str) -> None:
    project.write({"bad_syntax.py": "X = = 1\n", "bad_import.py": "import nowhere_at_all\n"})
    if door == "option":
        assert sentence in project.bench(f"--optbench-optimizer={path}").error
    else:
        project.write({"optbench.toml": f'[optimizers.It]\nclass = "{path}"\n'})
        assert sentence in project.bench().error


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--optbench-optimizer=acme:Descent(lr=)", "the values are not TOML"),
        ("--optbench-optimizer=acme:Descent(lr=0.1", "expected [Name=]module:Class[(key=value, ...)]"),
        ("--optbench-optimizer=acme:Descent(lr=-0.1)", "acme:Descent refuses (lr=-0.1)"),
        ("--optbench-optimizer=A/B=acme:Descent", "'A/B' is no name for an optimizer"),
        ("--optbench-tier=tiny", "--optbench-tier: unknown value 'tiny'"),
        ("--optbench-seeds=many", "--optbench-seeds is 'many'; expected a whole number"),
        ("--optbench-seeds=0", "--optbench-seeds is 0; expected at least 1"),
        ("--optbench-timeout=soon", "--optbench-timeout is 'soon'; expected a number"),
        ("--optbench-timeout=-1", "--optbench-timeout is -1.0; expected 0 or more"),
        ("--optbench-tasks=bowl4", "--optbench-tasks: no task or tag is called 'bowl4'; did you mean 'bowl3'?"),
        ("--optbench-device=tpu9000", "--optbench-device: device 'tpu9000' cannot be used"),
        ("--optbench-csv=.", "--optbench-csv: . is a folder; expected a file"),
        ("--optbench-csv=nowhere/rows.csv", "--optbench-csv: folder nowhere does not exist"),
        ("--optbench-baseline=broken.csv", "broken.csv: no column 'schema' in the header"),
    ],
)
def test_a_mistake_in_an_option(project: Project, option: str, sentence: str) -> None:
    project.table("Descent").write({"broken.csv": "a,b\n1,2\n"})
    assert sentence in project.run("--optbench", option).error


def test_a_mistake_in_the_ini_file_names_file_and_key(project: Project) -> None:
    project.table("Descent").write({"pytest.ini": "[pytest]\noptbench_seeds = many\n"})
    assert "pytest.ini: optbench_seeds is 'many'; expected a whole number" in project.bench().error


@pytest.mark.parametrize(("name", "text"), [("optbench.toml", "seeds = \n"), ("optbench.toml", "seeds = 1\nseeds = 2")])
def test_a_table_that_is_not_toml(project: Project, name: str, text: str) -> None:
    project.write({name: text})
    assert f"{name}: not valid TOML" in project.bench().error


def test_two_tables(project: Project) -> None:
    project.table("Descent").table("Descent", file="optbench.toml")
    assert "both optbench.toml and pyproject.toml hold an optbench table; keep one" in project.bench().error


def test_an_optimizer_without_class(project: Project) -> None:
    project.write({"optbench.toml": "[optimizers.It]\nhyperparameters = { lr = 1 }\n"})
    assert "optbench.toml [optimizers.It]: key 'class' is missing" in project.bench().error


def test_two_optimizers_of_one_name_on_the_command_line(project: Project) -> None:
    error = project.bench("--optbench-optimizer=acme:Descent", "--optbench-optimizer=acme:Descent(lr=0.1)").error
    assert "an optimizer named 'Descent' is defined already" in error


def test_a_csv_that_cannot_be_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object, **keywords: object) -> object:
        if self.name == "rows.csv":
            raise PermissionError(13, "Permission denied")
        return original(self, *arguments, **keywords)  # type: ignore[arg-type]

    original = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot write rows.csv (Permission denied)" in project.table("Descent").bench().error


def test_a_baseline_that_does_not_exist_yet_is_a_notice_and_every_case_is_new(project: Project) -> None:
    result = project.table("Descent", "Slow", settings='baseline = "base.csv"').bench()
    assert "optbench: baseline base.csv does not exist yet: every case is new, absolute gate" in result.lines
    assert result.outcomes == {"passed": 2, "failed": 2}
    assert {row.change for row in result.rows} == {"new"}


def test_a_path_that_does_not_exist(project: Project) -> None:
    assert "file or directory not found: nowhere.py" in project.table("Descent").bench("nowhere.py").error


def test_an_unknown_option_of_ours_is_refused(project: Project) -> None:
    result = project.table("Descent").run("--optbench", "--optbench-seed", "3")
    assert result.code == pytest.ExitCode.USAGE_ERROR


def test_a_constructor_that_hangs_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_optbench.integration.suite.CONSTRUCTION_SECONDS", 0.3)
    project.write({"hanging.py": "import time\n\ndef Hangs(params):\n    time.sleep(600)\n"})
    project.table("Descent", "Hangs").folder.joinpath("pyproject.toml").write_text(
        '[tool.optbench.optimizers.Hangs]\nclass = "hanging:Hangs"\n'
    )
    result = project.run("--optbench", "--optbench-timeout=0.1")
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "optimizers.Hangs]: hanging:Hangs was not constructed and inspected within 0.3 seconds" in result.text
    assert "it was in Hangs (" in result.text
    assert "hanging.py:4)" in result.text
