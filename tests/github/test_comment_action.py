"""The comment's action: one comment on the right pull request, whatever the artifact holds."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from runner import Runner

SHA = "a" * 40
EVENT = {
    "workflow_run": {
        "id": 11,
        "head_sha": SHA,
        "head_branch": "topic",
        "head_repository": {"full_name": "fork/cats", "owner": {"login": "fork"}},
    }
}
MARKER = "<!-- pytest-optbench: this comment is edited by every run -->"
OURS = {"id": 5, "user": {"type": "Bot"}, "body": f"{MARKER}\nold"}

GITHUB = """
    here=$(dirname "$0")/..
    printf '%s\\n' "$*" >>"$here/calls"
    for argument in "$@"; do
      case $argument in
        */pulls) cat "$here/pulls.json" ;;
        */artifacts) cat "$here/artifacts.json" ;;
        */zip) cat "$here/artifact.zip" ;;
        */comments\\?*) cat "$here/comments.json" ;;
        */body.json) cp "$argument" "$here/posted.json" ;;
      esac
    done
"""
"""A `gh` that answers from files and keeps what is posted."""


def pull(number: int = 7, sha: str = SHA, head: str = "fork/cats", base: str = "zoo/cats") -> dict[str, Any]:
    return {
        "number": number,
        "head": {"sha": sha, "repo": {"full_name": head} if head else None},
        "base": {"repo": {"full_name": base}},
    }


def archive(path: Path, members: Mapping[str, bytes | str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def commented(
    runner: Runner,
    members: Mapping[str, bytes | str] | None = None,
    *,
    event: Mapping[str, Any] = EVENT,
    pulls: tuple[Mapping[str, Any], ...] = (pull(),),
    size: int = 1000,
    name: str = "optbench",
    comments: tuple[Mapping[str, Any], ...] = (),
) -> str:
    """Run the script; returns the body of what was posted, "" for nothing."""
    answers = {
        "pulls": list(pulls),
        "artifacts": {"artifacts": [{"name": name, "id": 3, "size_in_bytes": size, "expired": False}]},
        "comments": list(comments),
    }
    for what, answer in answers.items():
        (runner.folder / f"{what}.json").write_text(json.dumps(answer))
    if not (runner.folder / "artifact.zip").exists():
        archive(runner.folder / "artifact.zip", {"optbench.md": "# fine\n"} if members is None else members)
    runner.fake("gh", GITHUB)
    runner.event = event
    ended = runner.run("optbench-comment/comment.sh", OPTBENCH_ARTIFACT="optbench", GH_TOKEN="secret")
    assert ended.code == 0, ended.text
    posted = runner.folder / "posted.json"
    body = json.loads(posted.read_text())["body"] if posted.exists() else ""
    assert posted.exists() or "::notice::" in ended.text
    assert isinstance(body, str)
    return body


def calls(runner: Runner) -> list[str]:
    return (runner.folder / "calls").read_text().splitlines()


def written(runner: Runner) -> list[str]:
    """Where the script has written to, without the names of temporary files."""
    return [
        call.split(" --input")[0].removeprefix("api --method ")
        for call in calls(runner)
        if "POST" in call or "PATCH" in call
    ]


def test_the_first_comment_is_posted_with_its_marker_first(runner: Runner) -> None:
    assert commented(runner) == f"{MARKER}\n# fine\n"
    assert written(runner) == ["POST repos/zoo/cats/issues/7/comments"]


def test_later_ones_edit_it(runner: Runner) -> None:
    person = {**OURS, "id": 4, "user": {"type": "User"}}
    other = {**OURS, "id": 6, "body": f"quoted: {MARKER}"}
    commented(runner, comments=(person, other, OURS))
    assert written(runner) == ["PATCH repos/zoo/cats/issues/comments/5"]


def test_a_comment_with_the_marker_that_a_person_wrote_is_not_edited(runner: Runner) -> None:
    commented(runner, comments=({**OURS, "user": {"type": "User"}},))
    assert written(runner) == ["POST repos/zoo/cats/issues/7/comments"]


@pytest.mark.parametrize(
    "stranger",
    [pull(sha="b" * 40), pull(head="other/cats"), pull(base="fork/cats"), pull(head="")],
    ids=["pushed since", "of another fork", "into another repository", "fork deleted"],
)
def test_other_pull_requests_get_no_comment(runner: Runner, stranger: Mapping[str, Any]) -> None:
    assert commented(runner, pulls=(stranger,)) == ""
    assert written(runner) == []


def test_the_pull_request_is_found_by_its_branch_and_not_by_the_artifact(runner: Runner) -> None:
    commented(runner, {"optbench.md": "fine", "number": "8", "pr_number.txt": "8", "event.json": "{}"})
    assert written(runner) == ["POST repos/zoo/cats/issues/7/comments"]
    assert any("head=fork:topic" in call for call in calls(runner))


@pytest.mark.parametrize("branch", ["$(touch evil)", "a;touch${IFS}evil", "--input=/etc/passwd", "x' -f state=all"])
def test_a_hostile_branch_is_a_value(runner: Runner, branch: str) -> None:
    run = {**EVENT["workflow_run"], "head_branch": branch}
    commented(runner, event={"workflow_run": run})
    assert not list(runner.folder.rglob("evil"))
    assert any(f"-f head=fork:{branch} -f" in call for call in calls(runner))


@pytest.mark.parametrize("change", [{"id": "11; evil"}, {"head_sha": "main"}, {"head_repository": None}, {"id": None}])
def test_an_event_of_no_pull_request_is_passed_over(runner: Runner, change: Mapping[str, Any]) -> None:
    event = {"workflow_run": {**EVENT["workflow_run"], **change}}
    assert commented(runner, event=event) == ""
    assert not (runner.folder / "calls").exists()


def test_an_artifact_that_is_too_large_is_not_even_loaded(runner: Runner) -> None:
    assert commented(runner, size=20_000_001) == ""
    assert not any("zip" in call for call in calls(runner))


def test_an_artifact_of_another_name_is_not_read(runner: Runner) -> None:
    assert commented(runner, name="optbench2") == ""


@pytest.mark.parametrize(
    "members",
    [{}, {"../optbench.md": "evil"}, {"deep/optbench.md": "evil"}, {"OPTBENCH.MD": "evil"}, {"optbench.md": ""}],
    ids=["empty", "above", "below", "upper case", "no text"],
)
def test_only_the_one_file_is_read(runner: Runner, members: Mapping[str, str]) -> None:
    assert commented(runner, members) == ""


def test_no_name_in_the_archive_becomes_a_path(runner: Runner) -> None:
    evil = ("../evil", "/tmp/evil-of-optbench", "work/../../evil", "evil")
    before = {path.name for path in runner.folder.rglob("*")}
    assert commented(runner, {**dict.fromkeys(evil, "evil"), "optbench.md": "fine"}) == f"{MARKER}\nfine"
    assert {path.name for path in runner.folder.rglob("*")} - before <= {
        *("artifact.zip", "pulls.json", "artifacts.json", "comments.json", "gh", "gh.arguments"),
        *("event.json", "calls", "posted.json"),
    }
    assert not Path("/tmp/evil-of-optbench").exists()


def test_a_long_summary_is_cut_between_characters(runner: Runner) -> None:
    body = commented(runner, {"optbench.md": "ÿ" * 200_000})
    text, _, rest = body.removeprefix(f"{MARKER}\n").partition("\n")
    assert set(text) == {"ÿ"}
    assert len(text) == 60_000
    assert "in the artifact of the run" in rest
    assert len(body) < 65_536


def test_a_file_that_unpacks_to_far_more_than_it_weighs_is_cut(runner: Runner) -> None:
    assert len(commented(runner, {"optbench.md": b"x" * 30_000_000})) < 65_536


def test_bytes_that_are_no_text_are_replaced(runner: Runner) -> None:
    assert set(commented(runner, {"optbench.md": b"a\xff\x00\xc3("}).partition("\n")[2]) == {"a", "\ufffd", "("}


def test_shell_and_json_in_the_summary_stay_text(runner: Runner) -> None:
    text = '$(touch evil) `touch evil` "}, \\u0000 %s \\n'
    assert commented(runner, {"optbench.md": text}) == f"{MARKER}\n{text}"
    assert not list(runner.folder.rglob("evil"))


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 damaged"])
def test_what_is_no_archive_is_passed_over(runner: Runner, content: bytes) -> None:
    (runner.folder / "artifact.zip").write_bytes(content)
    assert commented(runner) == ""
