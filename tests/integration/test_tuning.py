"""`--optbench-tune`: what a recipe leaves open is chosen per task, kept, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import Project

OPEN = ("Descent",)
AUTO = "--optbench-tune=auto"


@pytest.fixture
def open_project(project: Project) -> Project:
    """A table with one optimizer whose learning rate is not set."""
    return project.table(*OPEN)


def scored(result):
    return [row for row in result.rows if not row.trial]


def trials(result):
    return [row for row in result.rows if row.trial]


def test_an_open_learning_rate_is_tuned_for_each_task(open_project):
    result = open_project.bench(AUTO)
    assert result.outcomes == {"passed": 2}
    assert {row.regime for row in result.rows} == {"tuned"}
    chosen = {row.task: json.loads(row.hyperparameters) for row in scored(result)}
    assert chosen == {"bowl2": {"lr": 1.0}, "bowl3": {"lr": 0.316}}
    assert {row.tuned for row in scored(result)} == {'{"lr": 0.316}', '{"lr": 1.0}'}


def test_every_trial_is_a_row_that_no_verdict_counts(open_project):
    result = open_project.bench(AUTO, "--optbench-tasks=bowl2")
    assert len(scored(result)) == 4
    assert len(trials(result)) == 3 * 13
    assert {row.seed for row in trials(result)} & {row.seed for row in scored(result)} == set()
    assert {row.verdict for row in trials(result)} == {""}
    assert {row.verdict for row in scored(result)} == {"passed"}
    assert "4/4" in result.text


def test_a_set_learning_rate_is_left_alone(project):
    result = project.table("Descent\nhyperparameters = { lr = 0.2 }").bench(AUTO)
    assert trials(result) == []
    assert {row.regime for row in result.rows} == {"fixed"}


def test_an_empty_search_leaves_nothing_open(project):
    result = project.table("Descent\nsearch = {}").bench(AUTO)
    assert trials(result) == []
    assert {row.regime for row in result.rows} == {"default"}


def test_off_runs_the_optimizer_as_shipped(open_project):
    result = open_project.bench("--optbench-tune=off")
    assert trials(result) == []
    assert {row.regime for row in result.rows} == {"default"}


@pytest.mark.parametrize(
    ("space", "tried"),
    [
        ("{ values = [0.2, 0.1] }", {0.2, 0.1}),
        ("{ low = 0.01, high = 0.1, log = true }", {0.01, 0.0316, 0.1}),
        ("{ low = 0.1, high = 0.5 }", {0.1, 0.2, 0.3, 0.4, 0.5}),
    ],
)
def test_a_declared_search_is_what_is_tried(project, space, tried):
    result = project.table(f"Descent\nsearch = {{ lr = {space} }}").bench(AUTO, "--optbench-tasks=bowl2")
    found = {json.loads(row.hyperparameters)["lr"] for row in trials(result)}
    assert sorted(found) == pytest.approx(sorted(tried))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("search = { lr = { low = 1, high = 0.1 } }", "search.lr: low 1 and high 0.1; expected low < high"),
        ("search = { lr = { low = 0, high = 1, log = true } }", "expected 0 < low < high"),
        ("search = { lr = { values = [] } }", "expected values = [...] alone, with at least one value"),
        ("search = { lr = { values = [0.1, 0.1] } }", "expected each once"),
        ("search = { lr = { low = 1 } }", "expected low and high as numbers"),
        ("search = { lr = { values = [1] } }\nhyperparameters = { lr = 1 }", "it is also set in 'hyperparameters'"),
        ("search = { momentun = { values = [0, 0.9] } }", "Descent has no hyperparameter 'momentun'"),
        (
            "search = { lr = { values = [" + ", ".join(map(str, range(65))) + "] } }",
            "spans 65 combinations; expected at most 64",
        ),
    ],
)
def test_a_search_that_makes_no_sense_is_a_usage_error(project, keys, sentence):
    assert sentence in project.table(f"Descent\n{keys}").bench(AUTO).error


def test_a_learning_rate_without_a_default_is_tuned_too(project):
    project.write({"acme.py": (project.folder / "acme.py").read_text() + NEEDS_LR})
    assert project.table("Needs").bench(AUTO).outcomes == {"passed": 2}
    assert "has no default for 'lr'" in project.bench("--optbench-tune=off").error


NEEDS_LR = """
class Needs(torch.optim.SGD):
    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
"""


def test_what_was_chosen_is_kept_for_the_next_session(open_project):
    first = scored(open_project.bench(AUTO))
    second = open_project.bench(AUTO)
    assert trials(second) == []
    assert [(row.hyperparameters, row.trajectory_sha) for row in scored(second)] == [
        (row.hyperparameters, row.trajectory_sha) for row in first
    ]


def test_trials_outlive_a_second_try(project):
    project.table("Descent\nsearch = { lr = { values = [1e-4, 2e-4] } }")
    result = project.bench(AUTO, "--optbench-tasks=bowl2", "--reruns=1")
    assert "1 rerun" in result.text
    assert len(trials(result)) == 6
    assert len(scored(result)) == 4


def test_force_tunes_anew(open_project):
    open_project.bench(AUTO)
    assert len(trials(open_project.bench("--optbench-tune=force"))) == 2 * 3 * 13


def test_clearing_the_cache_tunes_anew(open_project):
    open_project.bench(AUTO)
    assert trials(open_project.bench(AUTO, "--cache-clear")) != []


def test_without_a_cache_every_session_tunes(open_project):
    for _ in range(2):
        assert trials(open_project.bench(AUTO, "-p", "no:cacheprovider")) != []
    assert not (open_project.folder / ".pytest_cache").exists()


@pytest.mark.parametrize(
    "change",
    [
        ("optimizer", "search = { lr = { values = [0.1, 0.3] } }"),
        ("fixed", "hyperparameters = { count = 1 }"),
        ("source", ""),
    ],
    ids=lambda change: change[0],
)
def test_a_change_of_recipe_or_source_is_tuned_anew(open_project, change):
    what, keys = change
    project = open_project
    source = (project.folder / "acme.py").read_text()
    source = source.replace("def __init__(self, params, lr=0.3):", "def __init__(self, params, lr=0.3, count=0):")
    project.write({"acme.py": source})
    project.bench(AUTO, "--optbench-tasks=bowl2")
    if what == "source":
        project.write({"acme.py": source + "\n# changed\n"})
    project.table(f"Descent\n{keys}")
    assert trials(project.bench(AUTO, "--optbench-tasks=bowl2")) != []


MAKERS = """
from functools import partial

import acme

class Warmer:
    def __init__(self, share):
        self.share = share

    def __call__(self, optimizer, budget):
        return acme.torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, self.share + step / budget))

def make(params, lr=0.3):
    return acme.Descent(params, lr)

half = partial(acme.torch.optim.SGD, momentum=0.5)
warm = Warmer(0.5)
"""


@pytest.mark.parametrize(
    ("keys", "file", "old", "new"),
    [
        ('class = "makers:make"', "acme.py", "import os", "import os  # changed"),
        ('class = "makers:half"', "makers.py", "momentum=0.5", "momentum=0.45"),
        ('class = "acme:Descent"\nscheduler = "makers:warm"', "makers.py", "Warmer(0.5)", "Warmer(0.45)"),
        ('class = "acme:Descent"', "bowls.py", "return 0.5 *", "return 0.25 *"),
        ('class = "acme:Descent"\nclaims = { train_eval = false }', "pyproject.toml", "claims", "# claims"),
    ],
    ids=["class behind a factory", "argument of a partial", "value in a schedule", "task", "claims"],
)
def test_what_a_choice_depends_on_elsewhere_is_tuned_anew(project, keys, file, old, new):
    table = f'[tool.optbench]\nseeds = 4\ntasks = "bowl2"\n[tool.optbench.optimizers.Made]\n{keys}\n'
    project.write({"makers.py": MAKERS, "pyproject.toml": table})
    project.bench(AUTO)
    text = (project.folder / file).read_text()
    assert old in text
    project.write({file: text.replace(old, new)})  # of another length: compiled files tell by that
    assert trials(project.bench(AUTO)) != []


def test_a_value_that_no_cache_can_keep_is_tuned_in_every_session(project):
    project.write({"test_mark.py": NO_JSON})
    for _ in range(2):
        result = project.bench(AUTO, "test_mark.py")
        assert result.outcomes == {"passed": 1}
        assert len(trials(result)) == 6


NO_JSON = """
import pytest, torch
from acme import Descent

class Typed(Descent):
    def __init__(self, params, lr=0.3, state=torch.float32):
        super().__init__(params, lr=lr)

SPACE = {"state": {"values": [torch.float32, torch.float64]}}

@pytest.mark.optbench(optimizer=Typed, hyperparameters={"lr": 0.3}, search=SPACE, tasks="bowl2", seeds=4)
def test_it(optbench):
    optbench.check()
"""


def test_a_damaged_cache_is_tuned_anew(open_project):
    open_project.bench(AUTO)
    for path in (open_project.folder / ".pytest_cache" / "v" / "optbench" / "tuned").iterdir():
        Path(path).write_text('{"values": {"lr": "fast"}}')
    assert len(trials(open_project.bench(AUTO))) == 2 * 3 * 13


@pytest.mark.full
def test_a_worker_and_a_serial_session_agree(open_project):
    rows = []
    for arguments in (("-n0",), ("-n2",)):
        result = open_project.bench("--optbench-tune=force", *arguments, subprocess=True)
        rows.append([(row.task, row.trial, row.hyperparameters, row.seed, row.trajectory_sha) for row in result.rows])
    assert rows[0] == rows[1]


def test_the_summary_tells_what_was_chosen(open_project):
    text = open_project.bench(AUTO).text
    assert "lr=0.316" in text
    assert "tuned" in text


def test_the_command_line_and_the_mark_tune_too(project):
    result = project.bench(AUTO, "--optbench-optimizer=acme:Descent", "--optbench-tasks=bowl2", "--optbench-seeds=4")
    assert {row.regime for row in result.rows} == {"tuned"}
    project.write(
        {
            "test_mark.py": """
                import pytest
                from acme import Descent

                @pytest.mark.optbench(optimizer=Descent, tasks="bowl2", seeds=4)
                def test_it(optbench):
                    optbench.check()
                    assert optbench.run(Descent, name="other").verdict.passed
            """
        }
    )
    result = project.bench(AUTO, "test_mark.py")
    assert result.outcomes == {"passed": 1}
    assert {(row.recipe, row.regime) for row in result.rows} == {("test_it", "tuned"), ("test_it/other", "tuned")}


def test_an_optimizer_that_raises_at_some_values_is_tuned_over_the_others(project):
    project.write({"acme.py": (project.folder / "acme.py").read_text() + FRAGILE})
    result = project.table("Fragile").bench(AUTO)
    assert result.outcomes == {"passed": 2}
    assert "crashed" in {row.outcome for row in trials(result)}


FRAGILE = """
class Fragile(Descent):
    def misbehave(self):
        if self.param_groups[0]["lr"] > 0.5:
            raise ValueError("too fast")
"""


def test_the_time_limit_covers_tuning(project):
    result = project.table("Sleeps\nsearch = { lr = { values = [0.1, 0.2] } }").bench(AUTO, "--optbench-timeout=1")
    assert result.outcomes == {"failed": 2}
    assert {row.outcome for row in scored(result)} == {"timeout"}


def test_a_case_caught_by_a_shadow_is_told(project):
    project.write({"acme.py": (project.folder / "acme.py").read_text() + LATE})
    result = project.table("Late\nhyperparameters = { lr = 0.3 }").bench(AUTO, "--optbench-tasks=bowl2")
    assert "Late on bowl2 was rerun in lockstep" in result.text
    assert {row.engine for row in result.rows} == {"lockstep"}


def test_trials_are_tuned_again_when_a_shadow_refutes_the_stack(project):
    project.write({"acme.py": (project.folder / "acme.py").read_text() + LATE})
    result = project.table("Late\nsearch = { lr = { values = [0.1, 0.2] } }").bench(AUTO, "--optbench-tasks=bowl2")
    assert {row.engine for row in result.rows} == {"lockstep"}


LATE = """
class Late(Descent):
    "Couples everything by a norm after the few steps that a probe takes."

    def misbehave(self):
        if self.count > 4:
            for group in self.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], 1e-3)
"""


def test_the_summary_sets_its_time_beside_that_of_a_loop(open_project):
    text = open_project.bench(AUTO).text
    assert "8 runs and 78 trials of tuning in " in text
    assert "; a plain loop over them would take about " in " ".join(text.split())
