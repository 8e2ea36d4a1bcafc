"""The gate's action: what it installs and runs, what it compares with, what it says, and how it ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from runner import Runner

MEASURES = """
    for argument in "$@"; do
      case $argument in
        --optbench-csv=*) printf 'recipe,task,task_version,trial,change\\nLion,beale,1,0,slower\\n' >"${argument#*=}" ;;
      esac
    done
    exit ${FAKE_STATUS:-0}
"""
PROPERTY = '<properties><property name="optbench_recipe" value="Lion"/></properties>'


def case(content: str = "", *, ours: bool = True) -> str:
    return f"<testcase>{PROPERTY if ours else ''}{content}</testcase>"


def measured(runner: Runner, **inputs: str) -> list[str]:
    """The arguments that pytest is run with, but for those of the four files."""
    runner.fake("pytest", MEASURES)
    ended = runner.run("optbench/measure.sh", **inputs)
    assert ended.code == 0, ended.text
    files = ("--optbench-csv=", "--junitxml=", "--optbench-markdown=", "--optbench-html=")
    arguments = runner.arguments("pytest")
    assert [sum(one.startswith(file) for one in arguments) for file in files] == [1, 1, 1, 1]
    return [one for one in arguments if not one.startswith(files)]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


PULL_REQUEST = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}


@pytest.fixture
def merged(runner: Runner) -> tuple[str, str]:
    """The checkout is the merge commit of a pull request; the commits of its base and its head."""
    work = runner.folder / "work"
    git(work, "init", "-q", "-b", "main")
    git(work, "commit", "-q", "--allow-empty", "-m", "base")
    git(work, "checkout", "-q", "-b", "topic")
    git(work, "commit", "-q", "--allow-empty", "-m", "head")
    git(work, "checkout", "-q", "main")
    git(work, "commit", "-q", "--allow-empty", "-m", "base moved")
    git(work, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    return git(work, "rev-parse", "HEAD^1"), git(work, "rev-parse", "HEAD^2")


def test_without_inputs_the_project_decides(runner: Runner) -> None:
    assert measured(runner) == ["--optbench", "-n", "auto"]


def test_every_input_becomes_an_option(runner: Runner) -> None:
    assert measured(
        runner,
        OPTBENCH_OPTIMIZERS="Slow=zoo:Lion(lr=0.1, betas=[0.9, 0.99])\n\nzoo:Tiger\n",
        OPTBENCH_TIER="unit",
        OPTBENCH_TASKS="convex and not noisy",
        OPTBENCH_SEEDS="16",
        OPTBENCH_BASELINE="none",
        OPTBENCH_FAIL_ON="slower,changed",
        OPTBENCH_PROCESSES="2",
        OPTBENCH_ARGUMENTS="-k 'a and b' \\\n  --maxfail=1",
    ) == [
        *("--optbench", "-n", "2"),
        *("--optbench-optimizer=Slow=zoo:Lion(lr=0.1, betas=[0.9, 0.99])", "--optbench-optimizer=zoo:Tiger"),
        *("--optbench-tier=unit", "--optbench-tasks=convex and not noisy", "--optbench-seeds=16"),
        *("--optbench-fail-on=slower,changed", "--optbench-compare=none"),
        *("-k", "a and b", "--maxfail=1"),
    ]


HOSTILE = "$(touch evil) `touch evil` ; touch evil && touch evil * ${HOME} ~"


@pytest.mark.parametrize("name", ["OPTIMIZERS", "TASKS", "TIER", "ARGUMENTS", "BASE_REF", "BASELINE", "FAIL_ON"])
def test_inputs_are_never_evaluated(runner: Runner, name: str) -> None:
    arguments = measured(runner, **{f"OPTBENCH_{name}": HOSTILE})
    assert not (runner.folder / "work" / "evil").exists()
    assert HOSTILE in " ".join(arguments)


def test_a_quote_that_is_not_closed_is_a_sentence(runner: Runner) -> None:
    runner.fake("pytest", MEASURES)
    ended = runner.run("optbench/measure.sh", OPTBENCH_ARGUMENTS="-k 'a and b")
    assert ended.code != 0
    assert "::error::input arguments: a quote is not closed" in ended.text
    assert not (runner.folder / "temp" / "pytest.arguments").exists()


def test_a_base_and_a_baseline_exclude_each_other(runner: Runner) -> None:
    ended = runner.run("optbench/measure.sh", OPTBENCH_BASELINE="a.csv", OPTBENCH_BASE_REF="main")
    assert ended.code == 1
    assert "::error::both baseline and base-ref are given" in ended.text


def test_a_base_can_be_named(runner: Runner) -> None:
    assert "--optbench-base=origin/main" in measured(runner, OPTBENCH_BASE_REF="origin/main")


def test_a_pull_request_is_compared_with_what_it_is_merged_into(runner: Runner, merged: tuple[str, str]) -> None:
    assert f"--optbench-base={merged[0]}" in measured(runner, **PULL_REQUEST)


def test_a_pull_request_whose_head_is_checked_out_is_compared_with_the_base_of_the_event(
    runner: Runner, merged: tuple[str, str]
) -> None:
    runner.event = {"pull_request": {"base": {"sha": merged[0]}}}
    git(runner.folder / "work", "checkout", "-q", merged[1])
    assert f"--optbench-base={merged[0]}" in measured(runner, **PULL_REQUEST)


def test_a_base_that_is_not_there_is_fetched(runner: Runner, merged: tuple[str, str]) -> None:
    work, origin = runner.folder / "work", runner.folder / "origin"
    work.rename(origin)
    git(runner.folder, "clone", "-q", "--depth=1", "--branch=topic", f"file://{origin}", str(work))
    runner.event = {"pull_request": {"base": {"sha": merged[0]}}}
    assert f"--optbench-base={merged[0]}" in measured(runner, **PULL_REQUEST)
    assert git(work, "cat-file", "-t", merged[0]) == "commit"


@pytest.mark.parametrize("sha", ["", "main", "--upload-pack=touch evil", "0" * 40])
def test_a_base_that_cannot_be_had_is_a_sentence(runner: Runner, merged: tuple[str, str], sha: str) -> None:
    runner.event = {"pull_request": {"base": {"sha": sha}}}
    ended = runner.run("optbench/measure.sh", **{**PULL_REQUEST, "GITHUB_REF": "refs/heads/main"})
    assert ended.code != 0
    assert "base-ref" in ended.text
    assert not (runner.folder / "work" / "evil").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_a_committed_baseline_comes_before_the_base(runner: Runner, merged: tuple[str, str], exists: bool) -> None:
    work = runner.folder / "work"
    (work / "pyproject.toml").write_text('[tool.optbench]\nbaseline = "stored.csv"\n')
    if exists:
        (work / "stored.csv").touch()
    given = [one for one in measured(runner, **PULL_REQUEST) if one.startswith("--optbench-base")]
    assert given == ([] if exists else [f"--optbench-base={merged[0]}"])


def test_a_push_is_compared_with_nothing_but_a_baseline(runner: Runner, merged: tuple[str, str]) -> None:
    assert measured(runner, GITHUB_EVENT_NAME="push") == ["--optbench", "-n", "auto"]


@pytest.mark.parametrize("status", ["0", "1", "5"])
def test_a_run_that_fails_ends_the_job_only_later(runner: Runner, status: str) -> None:
    measured(runner, FAKE_STATUS=status)
    assert runner.outputs == {"folder": str(runner.folder / "temp" / "optbench"), "status": status}


def test_where_the_results_are_is_known_even_if_the_run_is_killed(runner: Runner) -> None:
    runner.fake("pytest", "kill -KILL $PPID")
    assert runner.run("optbench/measure.sh").code != 0
    assert runner.outputs == {"folder": str(runner.folder / "temp" / "optbench")}


def test_results_of_an_earlier_step_are_not_taken_for_this_one(runner: Runner) -> None:
    folder = runner.folder / "temp" / "optbench"
    folder.mkdir()
    (folder / "optbench.md").touch()
    measured(runner)
    assert [path.name for path in folder.iterdir()] == ["optbench.csv"]


def collected(runner: Runner, *, junit: str = "", status: str = "0", **files: str) -> dict[str, str]:
    for name, content in {"xml": f"<testsuites><testsuite>{junit}</testsuite></testsuites>", **files}.items():
        (runner.folder / "temp" / f"optbench.{name}").write_text(content)
    ended = runner.run("optbench/collect.py", OPTBENCH_FOLDER=str(runner.folder / "temp"), OPTBENCH_STATUS=status)
    assert ended.code == 0, ended.text
    return runner.outputs


@pytest.mark.parametrize(
    ("junit", "status", "verdict"),
    [
        (case(), "0", "passed"),
        (case("<failure/>"), "1", "failed"),
        (case(), "2", "failed"),
        ("", "5", "nothing"),
        ("", "0", "nothing"),
        (case(ours=False), "0", "nothing"),
        (case("<skipped/>", ours=False), "0", "nothing"),
        ("<damaged", "1", "nothing"),
    ],
)
def test_the_verdict(runner: Runner, junit: str, status: str, verdict: str) -> None:
    assert collected(runner, junit=junit, status=status)["verdict"] == verdict


def test_the_counts(runner: Runner) -> None:
    junit = case() + case() + case("<failure/>") + case("<skipped/>") + case("<error/>", ours=False) + case(ours=False)
    rows = ["recipe,task,task_version,trial,change", *("Lion,beale,1,0,slower",) * 3, "Lion,beale,1,1,new"]
    outputs = collected(runner, junit=junit, csv="\n".join([*rows, "Lion,sphere,1,0,unchanged"]))
    assert json.loads(outputs["counts"]) == {
        **{"measured": 4, "passed": 2, "failed": 2, "skipped": 1},
        "changes": {"slower": 1, "unchanged": 1},
    }


def test_the_summary_is_the_markdown_and_its_path_an_output(runner: Runner) -> None:
    outputs = collected(runner, md="# all is well ÿ\n", csv="recipe\n")
    assert runner.summary == "# all is well ÿ\n\n"
    assert outputs["markdown"] == str(runner.folder / "temp" / "optbench.md")
    assert outputs["csv"] == str(runner.folder / "temp" / "optbench.csv")


def test_without_a_markdown_the_summary_says_so(runner: Runner) -> None:
    assert collected(runner)["markdown"] == ""
    assert "no summary was written" in runner.summary


def test_a_summary_that_is_too_long_is_cut_between_characters(runner: Runner) -> None:
    collected(runner, md="ÿ" * 600_000 + "end")
    assert len(runner.summary.encode()) <= 1_000_001
    assert set(runner.summary) == {"ÿ", "\n"}


def test_hostile_cells_add_no_output(runner: Runner) -> None:
    outputs = collected(runner, csv='recipe,task,task_version,trial,change\nLion,x,1,0,"a\nverdict=passed"\n')
    assert outputs["verdict"] == "nothing"
    assert json.loads(outputs["counts"])["changes"] == {"a\nverdict=passed": 1}


@pytest.mark.parametrize(
    ("verdict", "status", "code"),
    [
        ("passed", "0", 0),
        ("failed", "1", 1),
        ("failed", "2", 2),
        ("nothing", "0", 1),
        ("nothing", "5", 5),
        ("", "0", 1),
    ],
)
def test_the_job_ends_as_the_run_did_and_fails_when_nothing_was_measured(
    runner: Runner, verdict: str, status: str, code: int
) -> None:
    ended = runner.run("optbench/verdict.sh", OPTBENCH_VERDICT=verdict, OPTBENCH_STATUS=status)
    assert ended.code == code
    assert ("::error::nothing was measured" in ended.text) == (verdict not in ("passed", "failed"))


def test_what_is_installed_is_split_into_words_and_not_evaluated(runner: Runner) -> None:
    runner.fake("python", "")
    assert runner.run("optbench/install.sh", OPTBENCH_INSTALL="'a b' -e .[dev] $(touch evil)\n--quiet").code == 0
    assert runner.arguments("python") == ["-m", "pip", "install", "a b", "-e", ".[dev]", "$(touch", "evil)", "--quiet"]


def test_nothing_is_installed_on_request(runner: Runner) -> None:
    runner.fake("python", "exit 1")
    assert runner.run("optbench/install.sh", OPTBENCH_INSTALL=" \n").code == 0
