"""Adoption: the files by which a repository starts to benchmark its optimizers, as text before any is written."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pytest_optbench.words.declaration import OptimizerDeclaration, Table, find_table
from pytest_optbench.words.discovery import FoundOptimizer, find_optimizers, is_project
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import write_atomically

BASELINE = "optbench-baseline.csv"
_ACTION = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<ref>[\w./-]+)", re.ASCII)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NEXT = "pytest --optbench"


@dataclass(frozen=True)
class Proposal:
    """A file to be made, or a text to be added to the end of one."""

    path: Path
    text: str
    """What is new."""
    before: str | None = None
    """What the file holds already; None for a file that does not exist."""


@dataclass(frozen=True)
class Adoption:
    """What is to be written in `root`, what is to be said of the rest, and the command to run next."""

    root: Path
    proposals: tuple[Proposal, ...]
    notices: tuple[str, ...]
    command: str

    def describe(self) -> str:
        """All of it, as the text to show before anything is written."""
        parts = []
        for proposal in self.proposals:
            verb = "new file" if proposal.before is None else "at the end of"
            parts.append(f"--- {verb} {_shown(proposal.path, self.root)}\n{proposal.text.strip()}\n")
        parts += [f"{notice}\n" for notice in self.notices]
        return "\n".join(parts)

    def write(self) -> None:
        """Write every file. Raises OptbenchError for one that cannot be written, or that has changed since."""
        for proposal in self.proposals:
            path = proposal.path.resolve()
            try:
                if _read(path) != proposal.before:
                    raise OptbenchError(f"init: {path} has changed meanwhile; run it again")
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, (proposal.before or "") + proposal.text)
            except OSError as error:
                raise OptbenchError(f"init: cannot write {path} ({error.strerror or error})") from error


def plan_adoption(root: Path, *, action: str) -> Adoption:
    """What `optbench init` would write in `root`; `action` is OWNER/REPOSITORY@REF of the published action.

    What is there already is never changed: a table or a workflow that exists is left as it is, and a notice says so.
    Raises OptbenchError where there is no such folder, no optimizer, or nothing that could be added to.
    """
    if not root.is_dir():
        raise OptbenchError(f"init: {root} is no folder; expected that of a project")
    match = _ACTION.fullmatch(action)
    if match is None:
        raise OptbenchError(f"init: --action {action!r} names no action; expected OWNER/REPOSITORY@REF")
    table = find_table([root])
    found = find_optimizers(root)
    proposals: list[Proposal] = []
    notices: list[str] = []
    if table is None:
        named, left_out = _named(found, root)
        notices += left_out
        proposals.append(_table_proposal(root, named))
    else:
        notices.append(_table_notice(table, found))
    for proposal in _workflows(root, match["repository"], match["ref"]):
        if proposal.path.exists() or proposal.path.is_symlink():
            notices.append(f"{_shown(proposal.path, root)} exists and is left as it is")
        else:
            proposals.append(proposal)
    return Adoption(root, tuple(proposals), tuple(notices), _NEXT)


def _named(found: Sequence[FoundOptimizer], root: Path) -> tuple[dict[str, str], list[str]]:
    """The classes to be tabled, by the name of their recipe, and what is to be said of the others."""
    inner = [path.name for path in sorted(root.iterdir()) if path.is_dir() and is_project(path)]
    elsewhere = f" (projects of their own were not searched: {', '.join(inner)})" if inner else ""
    named: dict[str, str] = {}
    notices = []
    for one in found:
        if one.required:
            arguments = ", ".join(one.required)
            notices.append(f"{one.path} is left out: it has no default for {arguments}; write its table by hand")
            continue
        name = one.name if one.name not in named else one.path.replace(":", ".")
        try:
            OptimizerDeclaration(name=name, where=one.path, optimizer=one.path)
        except OptbenchError as error:
            notices.append(f"{one.path} is left out: {error}")
            continue
        named[name] = one.path
    if not named:
        reasons = "".join(f"\n  {notice}" for notice in notices)
        raise OptbenchError(
            f"init: no subclass of torch.optim.Optimizer found in {root}{elsewhere} that could go into a "
            f"table; try: pytest --optbench --optbench-optimizer torch.optim:AdamW{reasons}"
        )
    return named, notices


def _table_proposal(root: Path, named: Mapping[str, str]) -> Proposal:
    pyproject = root / "pyproject.toml"
    before = _read(pyproject)
    if before is None:
        return Proposal(root / "optbench.toml", _table_text(named, prefix="").lstrip("\n"))
    text = _table_text(named, prefix="tool.optbench")
    if before and not before.endswith("\n"):
        text = f"\n{text}"
    if "\r\n" in before:
        text = text.replace("\n", "\r\n")
    try:
        tomllib.loads((before + text).removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise OptbenchError(
            f"pyproject.toml: tables [tool.optbench] cannot be added at its end ({error}); "
            "write them into an optbench.toml, without 'tool.optbench'"
        ) from error
    return Proposal(pyproject, text, before)


def _table_text(named: Mapping[str, str], *, prefix: str) -> str:
    settings = f'tier = "small"\nbaseline = "{BASELINE}" # made by: pytest --optbench --optbench-save\n'
    text = f"\n[{prefix}]\n{settings}" if prefix else settings
    for name, path in named.items():
        key = name if _BARE_KEY.fullmatch(name) else json.dumps(name)
        text += f'\n[{".".join(filter(None, (prefix, "optimizers", key)))}]\nclass = "{path}"\n'
    return text


def _table_notice(table: Table, found: Iterable[FoundOptimizer]) -> str:
    named = {str(declaration.optimizer).rpartition(":")[2] for declaration in table.optimizers}
    missing = [one.path for one in found if one.name not in named]
    rest = f"; it does not name {', '.join(missing)}" if missing else ""
    return f"{table.path.name} has an optbench table and is left as it is{rest}"


def _workflows(root: Path, repository: str, ref: str) -> list[Proposal]:
    """The workflows, in the repository's root, which may lie above the project's."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    project = root.relative_to(top).as_posix()
    values = {
        "@BRANCH@": json.dumps(_default_branch(top)),
        "@ACTION@": f"{repository}/.github/actions/optbench@{ref}",
        "@COMMENT_ACTION@": f"{repository}/.github/actions/optbench-comment@{ref}",
    }
    proposals = []
    for name in ("optbench.yml", "optbench-comment.yml"):
        text = resources.files("pytest_optbench.data").joinpath("github", name).read_text(encoding="utf-8")
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        if name == "optbench.yml" and project != ".":
            text += f"          working-directory: {json.dumps(project)}\n"
        proposals.append(Proposal(top / ".github" / "workflows" / name, text))
    return proposals


def _default_branch(top: Path) -> str:
    """The branch that `origin` calls its own, as far as git has noted it, else `main`; read from git's files."""
    try:
        head = (top / ".git" / "refs" / "remotes" / "origin" / "HEAD").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "main"
    return head.strip().removeprefix("ref: refs/remotes/origin/") or "main"


def _read(path: Path) -> str | None:
    """The text of a file, its line ends kept; None where there is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OptbenchError(f"init: cannot read {path} ({error})") from error


def _shown(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
