"""Workflows and actions: valid by the published schemas, and careful with what they are given."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pytest_optbench import __version__
from pytest_optbench.report.adoption import plan_adoption

ROOT = Path(__file__).parents[2]
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
EXAMPLES = sorted((ROOT / "example_project" / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = [*sorted((ROOT / ".github").glob("workflows/*.yml")), *EXAMPLES]
OWN = f"pytest-optbench/pytest-optbench@v{__version__}"

every_file = pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS], ids=lambda path: f"{path.parent.name}/{path.name}")


def steps(path: Path) -> Iterator[dict[str, Any]]:
    content = YAML(typ="safe").load(path)
    if "runs" in content:
        yield from content["runs"]["steps"]
    for job in content.get("jobs", {}).values():
        yield from job["steps"]


@pytest.fixture
def written(tmp_path: Path) -> list[Path]:
    """The workflows that `optbench init` writes."""
    (tmp_path / "zoo.py").write_text("import torch\nclass Lion(torch.optim.SGD): ...\n")
    adoption = plan_adoption(tmp_path, action=OWN)
    adoption.write()
    return sorted((tmp_path / ".github" / "workflows").iterdir())


def violations(schema: str, *paths: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        f"vendor.github-{schema}",
        *map(str, paths),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_actions_are_valid() -> None:
    assert len(ACTIONS) == 2
    assert violations("actions", *ACTIONS) == ""


def test_workflows_are_valid(written: list[Path]) -> None:
    assert violations("workflows", *WORKFLOWS, *written) == ""


def test_the_example_has_the_workflows_that_init_writes(written: list[Path]) -> None:
    assert [path.name for path in EXAMPLES] == [path.name for path in written]
    for mine, theirs in zip(EXAMPLES, written, strict=True):
        assert mine.read_text() == theirs.read_text()


def test_the_comment_follows_the_workflow_that_measures() -> None:
    comment, measure = (YAML(typ="safe").load(path) for path in EXAMPLES)
    assert comment[True if True in comment else "on"]["workflow_run"]["workflows"] == [measure["name"]]


@every_file
def test_no_value_reaches_a_shell_but_by_its_environment(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        assert "${{" not in step.get("shell", "")


@every_file
def test_what_others_publish_is_pinned_to_a_commit(path: Path) -> None:
    for line in path.read_text().splitlines():
        match = re.search(r"uses: (\S+)@(\S+)(.*)", line)
        if match and not match[1].startswith("pytest-optbench/"):
            assert re.fullmatch(r"[0-9a-f]{40}", match[2]), line
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", match[3]), line


@every_file
def test_long_steps_are_scripts_of_their_own(path: Path) -> None:
    for step in steps(path):
        for script in re.findall(r"\$GITHUB_ACTION_PATH/([\w.]+)", step.get("run", "")):
            assert (path.parent / script).is_file()
        assert step.get("run", "").count("\n") <= 1


def test_the_comment_checks_nothing_out_and_runs_nothing_of_a_pull_request() -> None:
    (comment,) = (path for path in EXAMPLES if "comment" in path.name)
    (step,) = steps(comment)
    assert step == {"uses": OWN.replace("@", "/.github/actions/optbench-comment@")}
    (action,) = (path for path in ACTIONS if "comment" in path.parent.name)
    assert [step for step in steps(action) if "uses" in step] == []
    content = YAML(typ="safe").load(comment)
    assert content["permissions"] == {}
    (job,) = content["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}


def test_measuring_may_only_read() -> None:
    (measure,) = (path for path in EXAMPLES if "comment" not in path.name)
    content = YAML(typ="safe").load(measure)
    assert content["permissions"] == {"contents": "read"}
    assert [step["with"]["persist-credentials"] for step in steps(measure) if "checkout" in step["uses"]] == [False]
    assert "pull_request_target" not in json.dumps(content, default=str)
