"""What `optbench init` plans for a repository, and how it writes it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_optbench.report.adoption import Adoption, plan_adoption
from pytest_optbench.words.declaration import find_table
from pytest_optbench.words.errors import OptbenchError

LION = "import torch\n\nclass Lion(torch.optim.Optimizer):\n    def step(self): ...\n"
ACTION = "someone/somewhere@v1"


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Adoption]:
    """Plans for a folder with a module `zoo` and these files."""

    def planned(**files: str | bytes) -> Adoption:
        for name, content in {"zoo.py": LION, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return plan_adoption(tmp_path, action=ACTION)

    return planned


def texts(adoption: Adoption) -> dict[str, str]:
    return {proposal.path.relative_to(adoption.root).as_posix(): proposal.text for proposal in adoption.proposals}


def test_the_table_is_added_to_pyproject_and_nothing_else_in_it_moves(plan: Callable[..., Adoption]) -> None:
    before = '[project]   # as it was\nname="zoo"\n'
    adoption = plan(**{"pyproject.toml": before})
    adoption.write()
    after = (adoption.root / "pyproject.toml").read_text()
    assert after.startswith(before)
    table = find_table([adoption.root])
    assert table is not None
    assert table.settings == {"tier": "small", "baseline": "optbench-baseline.csv"}
    assert [(one.name, one.optimizer) for one in table.optimizers] == [("Lion", "zoo:Lion")]


def test_without_a_pyproject_there_is_an_optbench_toml(plan: Callable[..., Adoption]) -> None:
    adoption = plan()
    adoption.write()
    content = tomllib.loads((adoption.root / "optbench.toml").read_text())
    assert content["optimizers"] == {"Lion": {"class": "zoo:Lion"}}


@pytest.mark.parametrize("before", [b"", b'[project]\nname = "zoo"', b"[a]\r\n", b"\xef\xbb\xbf[a]\n"])
def test_any_way_of_ending_a_file_is_kept(plan: Callable[..., Adoption], before: bytes) -> None:
    adoption = plan(**{"pyproject.toml": before})
    adoption.write()
    after = (adoption.root / "pyproject.toml").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(b"\r\n") or b"\r\n" not in after
    table = find_table([adoption.root])
    assert table is not None
    assert [one.name for one in table.optimizers] == ["Lion"]


def test_two_classes_of_one_name_get_two_names(plan: Callable[..., Adoption]) -> None:
    (text, *_) = texts(plan(**{"big.py": LION})).values()
    assert {name: one["class"] for name, one in tomllib.loads(text)["optimizers"].items()} == {
        "Lion": "big:Lion",
        "zoo.Lion": "zoo:Lion",
    }


def test_a_class_that_needs_more_than_a_learning_rate_is_left_out_and_named(plan: Callable[..., Adoption]) -> None:
    adoption = plan(
        **{"sam.py": "import torch\nclass SAM(torch.optim.SGD):\n    def __init__(self, params, base): ..."}
    )
    assert "SAM" not in "".join(texts(adoption).values())
    assert "sam:SAM is left out: it has no default for base; write its table by hand" in adoption.notices


@pytest.mark.parametrize(
    "existing",
    [{"pyproject.toml": "[tool.optbench]\n"}, {"optbench.toml": "", "pyproject.toml": "[a]\n"}],
    ids=["pyproject", "optbench.toml"],
)
def test_a_table_that_exists_is_left_and_said_so(plan: Callable[..., Adoption], existing: dict[str, str]) -> None:
    adoption = plan(**existing)
    assert {name.rpartition("/")[0] for name in texts(adoption)} == {".github/workflows"}
    assert f"{next(iter(existing))} has an optbench table and is left as it is; it does not name zoo:Lion" in (
        adoption.notices
    )


def test_a_workflow_that_exists_is_left_and_said_so(plan: Callable[..., Adoption]) -> None:
    adoption = plan(**{".github/workflows/optbench.yml": "mine"})
    adoption.write()
    assert (adoption.root / ".github/workflows/optbench.yml").read_text() == "mine"
    assert ".github/workflows/optbench.yml exists and is left as it is" in adoption.notices
    assert ".github/workflows/optbench-comment.yml" in texts(adoption)


def test_a_second_time_there_is_nothing_to_write(plan: Callable[..., Adoption]) -> None:
    plan().write()
    again = plan()
    assert again.proposals == ()
    assert len(again.notices) == 3


def test_workflows_go_to_the_root_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git/refs/remotes/origin").mkdir(parents=True)
    (tmp_path / ".git/refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/trunk/one\n")
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "zoo.py").write_text(LION)
    adoption = plan_adoption(tmp_path / "python", action=ACTION)
    workflow = adoption.proposals[1]
    assert workflow.path == tmp_path / ".github/workflows/optbench.yml"
    assert 'branches: ["trunk/one"]' in workflow.text
    assert 'working-directory: "python"' in workflow.text
    assert "../.github/workflows/optbench.yml" in adoption.describe()


def test_everything_is_shown(plan: Callable[..., Adoption]) -> None:
    adoption = plan()
    for text in texts(adoption).values():
        assert text.strip() in adoption.describe()


def test_a_file_that_changed_meanwhile_is_not_overwritten(plan: Callable[..., Adoption]) -> None:
    adoption = plan(**{"pyproject.toml": "[a]\n"})
    (adoption.root / "pyproject.toml").write_text("[b]\n")
    with pytest.raises(OptbenchError, match="has changed meanwhile"):
        adoption.write()
    assert (adoption.root / "pyproject.toml").read_text() == "[b]\n"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"zoo.py": "", "inner/setup.py": ""}, "no subclass of torch.optim.Optimizer found in .*searched: inner"),
        ({"pyproject.toml": "a = "}, "pyproject.toml: not valid TOML"),
        ({"pyproject.toml": "tool = {}\n"}, "cannot be added at its end .*write them into an optbench.toml"),
        ({"pyproject.toml": b"# \xff\n"}, "pyproject.toml: not valid TOML"),
    ],
)
def test_what_cannot_be_adopted_is_a_sentence(
    plan: Callable[..., Adoption], files: dict[str, str], sentence: str
) -> None:
    with pytest.raises(OptbenchError, match=sentence):
        plan(**files)


@pytest.mark.parametrize("action", ["", "somewhere", "a/b", "a/b@v1\n      - run: evil", "a/b@${{ x }}", "a/b/c@v1"])
def test_an_action_that_is_no_reference_is_refused(tmp_path: Path, action: str) -> None:
    with pytest.raises(OptbenchError, match="expected OWNER/REPOSITORY@REF"):
        plan_adoption(tmp_path, action=action)
