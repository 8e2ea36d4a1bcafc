"""A baseline is compared with inside the test item: what fails, what is shown, where the numbers go."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from project import Project

from pytest_optbench.words.baseline import SCHEMA, BaselineRow, read_baseline, to_csv

SETTINGS = 'seeds = 20\nbaseline = "base.csv"\ntasks = "bowl2"'
BOTH = 'seeds = 20\nbaseline = "base.csv"'
Edit = Callable[[BaselineRow], BaselineRow]


@pytest.fixture
def saved(project: Project) -> Project:
    """A project whose baseline holds `Descent` on `bowl2`."""
    project.table("Descent", settings=SETTINGS).bench("--optbench-save")
    return project


def edited(project: Project, edit: Edit) -> Project:
    """Change every row of the baseline."""
    path = project.folder / "base.csv"
    path.write_text(to_csv(map(edit, read_baseline(path))))
    return project


def descent(lr: float | str) -> str:
    """A source for `acme.Descent` that has another default learning rate: the same recipe, another optimizer."""
    return f"""
        import torch

        class Descent(torch.optim.SGD):
            def __init__(self, params, lr={lr}):
                super().__init__(params, lr=lr)
    """


def failure(text: str) -> str:
    return text.partition("= FAILURES =")[2].partition("\n- generated")[0]


def test_the_same_code_is_unchanged_and_folds_into_a_line(saved: Project) -> None:
    result = saved.bench()
    assert result.outcomes == {"passed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"unchanged"}}
    assert "1 case unchanged" in result.lines
    assert not any(line.startswith("bowl2 ") for line in result.lines)
    assert any(
        line.startswith("optbench: compared with base.csv: 1 case, 0 fingerprints; false alarms in at most 0.1 %")
        for line in result.lines
    )


def test_a_slower_optimizer_fails_and_the_sentence_tells_everything(saved: Project) -> None:
    saved.write({"acme.py": descent(0.2)})
    result = saved.bench()
    assert result.outcomes == {"failed": 1}
    text = failure(result.text)
    for part in (
        "Descent on bowl2@1, compared with base.csv: slower on 20 of 20 pairs of seeds: p = 9.5e-07 <= 7.8e-06",
        "steps to target: median 10 (20 of 20 seeds) before, median 16 (20 of 20 seeds) now",
        "first difference: seed 0: evaluation at step ",
        "to accept it: pytest --optbench pyproject.toml::Descent::tasks::bowl2 --optbench-save",
    ):
        assert part in text
    assert "Traceback" not in text
    line = next(line for line in result.lines if line.startswith("bowl2 "))
    assert "slower 1.6x" in line
    assert "10 -> 16" in line


def test_the_numbers_are_in_the_csv_and_in_junit(saved: Project) -> None:
    saved.write({"acme.py": descent(0.2)})
    result = saved.bench()
    row = result.rows[0]
    assert (row.change, row.verdict, row.p_value) == ("slower", "failed", 0.5**20)
    assert row.ratio_low is not None
    assert row.ratio_high is not None
    assert row.ratio is not None
    assert 1.2 < row.ratio_low <= row.ratio <= row.ratio_high
    properties = result.properties("pyproject.toml.Descent.tasks::bowl2")
    assert properties["optbench_change"] == "slower"
    assert float(properties["optbench_p_value"]) == 0.5**20
    assert float(properties["optbench_ratio"]) == row.ratio
    assert float(properties["optbench_steps_median_before"]) == 10


def test_a_faster_optimizer_passes_and_is_shown(saved: Project) -> None:
    saved.write({"acme.py": descent(0.6)})
    result = saved.bench()
    assert result.outcomes == {"passed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"faster"}}
    assert any(line.startswith("bowl2 ") and "faster 0." in line for line in result.lines)


def test_another_trajectory_of_the_same_speed_is_changed_and_passes(saved: Project) -> None:
    saved.write({"acme.py": descent(0.3000001)})
    result = saved.bench()
    assert result.outcomes == {"passed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"changed"}}
    assert any(line.startswith("bowl2 ") and " changed " in line for line in result.lines)


@pytest.mark.full
def test_two_workers_compare_as_one_process_does(saved: Project) -> None:
    saved.write({"acme.py": descent(0.2)})
    result = saved.bench("-n2", "-p", "no:benchmark")
    assert result.outcomes == {"failed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"slower"}}
    assert "10 -> 16" in result.text


def test_a_case_that_the_baseline_lacks_is_new_and_judged_by_itself(project: Project) -> None:
    project.table("Descent", settings=BOTH).bench("--optbench-save")
    project.table("Descent", "Slow", settings=BOTH)
    result = project.bench()
    assert result.outcomes == {"passed": 2, "failed": 2}
    assert result.words("change")["Slow", "bowl2"] == {"new"}
    assert "Slow on bowl2@1: 0 of 20 seeds reached the target" in result.text


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda row: replace(row, task_version=2), "task version was 2 and is 1"),
        (lambda row: replace(row, regime="fixed"), "regime was fixed and is default"),
        (lambda row: replace(row, hyperparameters='{"lr": 1}'), 'hyperparameters was {"lr": 1} and is {}'),
        (lambda row: replace(row, budget=41), "budget was 41 and is 40"),
    ],
    ids=["version", "regime", "hyperparameters", "budget"],
)
def test_what_cannot_be_compared_fails_a_full_run_with_the_reason(saved: Project, edit: Edit, reason: str) -> None:
    result = edited(saved, edit).bench()
    assert result.outcomes == {"failed": 1}
    assert f"incomparable: {reason}" in failure(result.text)
    assert result.words("change") == {("Descent", "bowl2"): {"incomparable"}}


@pytest.mark.parametrize("selection", [["-k", "bowl2"], ["--optbench-tasks=bowl2"], ["--optbench-tier=unit"]])
def test_what_cannot_be_compared_passes_a_partial_run(project: Project, selection: Sequence[str]) -> None:
    project.table("Descent", settings=BOTH).bench("--optbench-save")
    edited(project, lambda row: replace(row, budget=41))
    assert project.bench().outcomes == {"failed": 2}
    assert project.bench(*selection).outcomes["passed"] == 1


def test_a_known_miss_is_an_xfail_and_solving_it_is_news(project: Project) -> None:
    project.table("Descent=Slow", settings=SETTINGS).bench("--optbench-save")
    assert project.bench().outcomes == {"xfailed": 1}
    project.write({"acme.py": descent(0.3).replace("Descent", "Slow")})
    result = project.bench()
    assert result.outcomes == {"xpassed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"faster"}}


@pytest.mark.parametrize(
    ("lr", "outcomes"), [(3.0, {"failed": 1}), (0.001, {"xfailed": 1})], ids=["diverges", "misses"]
)
def test_a_known_miss_that_newly_diverges_fails(project: Project, lr: float, outcomes: dict[str, int]) -> None:
    project.table("Descent=Slow", settings=SETTINGS).bench("--optbench-save")
    project.write({"acme.py": descent(lr).replace("Descent", "Slow")})
    result = project.bench()
    assert result.outcomes == outcomes
    assert ("newly diverged: 20 of 20 seeds, 0 in the baseline" in result.text) == ("failed" in outcomes)


@pytest.mark.parametrize(("optimizer", "word"), [("Crashes", "crashed"), ("Loops", "timeout")])
def test_a_known_miss_that_breaks_fails(project: Project, optimizer: str, word: str) -> None:
    project.table("It=Slow", settings=SETTINGS).bench("--optbench-save")
    result = project.table(f"It={optimizer}", settings=f"{SETTINGS}\ntimeout = 2").bench("--optbench-fail-on=none")
    assert result.outcomes == {"failed": 1}
    assert result.words() == {("It", "bowl2"): {word}}


def test_what_was_tuned_once_is_taken_from_the_baseline(project: Project) -> None:
    table = "Tuned=Descent\nsearch = { lr = { values = [0.05, 0.2] } }"
    first = project.table(table, settings=SETTINGS).bench("--optbench-tune=auto", "--optbench-save")
    assert any(row.trial for row in first.rows)
    edited(project, lambda row: replace(row, hyperparameters='{"lr": 0.05}'))
    again = project.bench("--optbench-tune=auto", "-p", "no:cacheprovider")
    assert {row.hyperparameters for row in again.rows} == {'{"lr": 0.05}'}
    assert {row.regime for row in again.rows} == {"tuned"}
    assert not any(row.trial for row in again.rows)


def test_a_new_case_is_tuned_beside_others_that_are_not(project: Project) -> None:
    table = "Tuned=Descent\nsearch = { lr = { values = [0.05, 0.2] } }"
    project.table(table, settings=SETTINGS).bench("--optbench-tune=auto", "--optbench-save", "-p", "no:cacheprovider")
    project.table(table, settings=BOTH)
    rows = project.bench("--optbench-tune=auto", "-p", "no:cacheprovider").rows
    assert {row.task for row in rows if row.trial} == {"bowl3"}


@pytest.mark.parametrize("value", ["NaN", "1e400", '"0.1"', "true", "null", "[0.1]", "{}"])
def test_a_tuned_value_of_another_kind_is_not_taken(project: Project, value: str) -> None:
    table = "Tuned=Descent\nsearch = { lr = { values = [0.05, 0.2] } }"
    project.table(table, settings=SETTINGS).bench("--optbench-tune=auto", "--optbench-save")
    edited(project, lambda row: replace(row, hyperparameters=f'{{"lr": {value}}}'))
    rows = project.bench("--optbench-tune=auto").rows
    assert {json.loads(row.hyperparameters)["lr"] for row in rows} <= {0.05, 0.2}
    assert {row.change for row in rows if not row.trial} == {"incomparable"}


def test_tuning_by_force_tunes_anew(project: Project) -> None:
    table = "Tuned=Descent\nsearch = { lr = { values = [0.05, 0.2] } }"
    project.table(table, settings=SETTINGS).bench("--optbench-tune=auto", "--optbench-save")
    assert any(row.trial for row in project.bench("--optbench-tune=force").rows)


def test_another_machine_with_equal_fingerprints_is_unchanged(project: Project) -> None:
    project.table("Descent", settings=SETTINGS).bench("--optbench-layer=tasks,fingerprint", "--optbench-save")

    def elsewhere(row: BaselineRow) -> BaselineRow:
        if row.kind == "fingerprint":
            return replace(row, cpu="ANOTHER")
        initial = tuple(None if value is None else value * (1 + 1e-9) for value in row.initial)
        return replace(row, cpu="ANOTHER", initial=initial, trajectory_sha="0")

    result = edited(project, elsewhere).bench()
    assert result.words("change") == {("Descent", "bowl2"): {"unchanged"}}
    project.write({"acme.py": descent(0.3000001)})
    assert project.bench().words("change") == {("Descent", "bowl2"): {"changed"}}


def test_another_machine_with_parity_is_unchanged(project: Project) -> None:
    table = "Descent\nreference = 'torch.optim:SGD'\nhyperparameters = { lr = 0.3 }"
    project.write({"acme.py": descent(1e-3)}).table(table, settings=SETTINGS).bench("--optbench-save")
    edited(project, lambda row: replace(row, cpu="ANOTHER", trajectory_sha="0"))
    assert project.bench().words("change") == {("Descent", "bowl2"): {"unchanged"}}
    project.write({"acme.py": descent("1e-3, weight_decay=1e-6").replace("lr=lr", "lr=lr, weight_decay=weight_decay")})
    assert project.bench().words("change") == {("Descent", "bowl2"): {"changed"}}


def test_a_marked_test_is_compared_too(project: Project) -> None:
    mark = """
        import pytest
        from acme import Descent

        @pytest.mark.optbench(optimizer=Descent, hyperparameters={{}}, tasks="bowl2", seeds=20, {more})
        def test_marked(optbench):
            optbench.check()
    """
    project.table("Other=Descent", settings=SETTINGS)
    project.write({"test_mark.py": mark.format(more="")}).bench("--optbench-save")
    project.write({"acme.py": descent(0.2)})
    result = project.bench("test_mark.py")
    assert result.outcomes == {"failed": 1}
    assert "compared with base.csv: slower on 20 of 20 pairs of seeds" in failure(result.text)
    project.write({"test_mark.py": mark.format(more="fail_on='none'")})
    assert project.bench("test_mark.py").outcomes == {"passed": 1}


def test_too_few_seeds_to_compare_are_a_usage_error(saved: Project) -> None:
    error = saved.bench("--optbench-seeds=16").error
    assert "Descent on bowl2@1: the baseline has 20 seeds and this run 16, 16 in common; no fewer than 17" in error


def test_another_file_is_compared_with_on_request(saved: Project) -> None:
    (saved.folder / "base.csv").rename(saved.folder / "other.csv")
    assert "1 case unchanged" in saved.bench("--optbench-compare=other.csv").lines


def test_compare_none_compares_with_nothing(saved: Project) -> None:
    saved.write({"acme.py": descent(0.2)})
    result = saved.bench("--optbench-compare=none")
    assert result.outcomes == {"passed": 1}
    assert result.words("change") == {("Descent", "bowl2"): {"new"}}


def test_a_file_to_compare_with_that_does_not_exist(project: Project) -> None:
    error = project.table("Descent", settings=SETTINGS).bench("--optbench-compare=nowhere.csv").error
    assert error.startswith("--optbench-compare: ")
    assert error.endswith("nowhere.csv does not exist")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda text: text[:-40], "base.csv, line 2: "),
        (lambda text: text.replace("\n1,optbench", f"\n{SCHEMA + 1},optbench"), f"schema {SCHEMA + 1} is newer than"),
        (lambda text: text.replace(',"[[0,', ',"[[x,'), "column 'curve' is '[[x,"),
        (lambda text: text.replace(",{},", ",<b>,"), "column 'hyperparameters' is '<b>'; expected a JSON object"),
        (lambda text: text.replace('""reached""', '""rea\\nched""', 1), "unknown outcome"),
        (lambda text: text + text.split("\n")[1] + "\n", "two rows of one case"),
        (lambda text: "", "base.csv: empty file; expected the header of an optbench baseline"),
    ],
    ids=["truncated", "newer", "curve", "hyperparameters", "outcome", "twice", "empty"],
)
@pytest.mark.parametrize("workers", [(), ("-n1", "-p", "no:benchmark")], ids=["serial", "xdist"])
def test_a_baseline_that_is_no_good_is_a_sentence(
    saved: Project, edit: Callable[[str], str], sentence: str, workers: tuple[str, ...]
) -> None:
    path = saved.folder / "base.csv"
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    error = saved.bench(*workers).error
    assert sentence in error
    assert len(error) < 300


def test_a_baseline_of_bytes_is_refused(saved: Project) -> None:
    (saved.folder / "base.csv").write_bytes(b"\xff\xfe\x00")
    assert "base.csv: cannot read the baseline" in saved.bench().error


def test_names_of_a_hostile_baseline_do_no_harm(saved: Project) -> None:
    path = saved.folder / "base.csv"
    rows = read_baseline(path)
    hostile = replace(rows[0], recipe="=cmd|' /C calc'!A0\n\x1b[31m::[<script>", regime="<b>\x1b[31m\nERROR: x</b>")
    path.write_text(to_csv([hostile, replace(rows[0], regime="<b>\x1b[31m\nERROR: x</b>")]))
    result = saved.bench()
    assert result.outcomes == {"failed": 2}
    assert "\x1b" not in result.text
    assert not any(line.startswith("ERROR: x") for line in result.lines)
    assert math.isfinite(result.rows[0].initial or 0)
