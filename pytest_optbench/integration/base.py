"""A base run: the same suite at another commit, in a worktree of its own, as the baseline of this session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_optbench.integration.suite import Suite, installed
from pytest_optbench.words.declaration import find_table
from pytest_optbench.words.errors import OptbenchError, inert, nearest
from pytest_optbench.words.lock import abandoned, exclusive
from pytest_optbench.words.stored import Stored, read_stored

_FOLDER = "optbench-base-"
"""What the name of a folder with a worktree begins with."""
_LAST_LINES = 3
_NOTHING_COLLECTED = 5
"""pytest's exit status where there is none of what was to be run."""
_DROPPED_WITH_VALUE = (
    "--optbench-base",
    "--optbench-baseline",
    "--optbench-compare",
    "--optbench-csv",
    "--optbench-fail-on",
    "--optbench-html",
    "--optbench-json",
    "--optbench-layer",
    "--basetemp",
    "--junitxml",
    "--junit-xml",
    "--maxfail",
)
_DROPPED = ("-x", "--exitfirst", "--lf", "--last-failed", "--ff", "--failed-first", "--sw", "--stepwise", "--pdb")
"""What is asked of this session, and not of the one at the other commit."""


@dataclass(frozen=True)
class BaseRun:
    """What to run where. `arguments` are those of this session's command line."""

    ref: str
    root: Path
    """The project's root folder."""
    start: Path
    """Where the command was given."""
    arguments: Sequence[str]
    layers: str
    """The value of --optbench-layer."""

    def measure(self, suite: Suite, csv: Path) -> Stored:
        """Run the suite at the commit, save its results to `csv`, and read them.

        A project that has nothing of what is to be run at that commit gives an empty baseline. Raises OptbenchError
        where there is no git, no repository or no such commit, and where the run measured nothing.
        """
        top = Path(self._git("rev-parse", "--show-toplevel", wrong="{root} is in no git repository")).resolve()
        sha = self._commit()
        label = f"{self.ref} ({sha[:9]})"
        with self._worktree(sha) as tree:
            there = {name: tree / folder.resolve().relative_to(top) for name, folder in self._folders(top)}
            if not (suite.settings.optimizer or _benchmarks(tree, there.values())):
                return Stored(label, ())
            sys.stderr.write(f"optbench: running the suite at {label} first\n")
            sys.stderr.flush()
            command = [sys.executable, "-m", "pytest", *self._moved(top, tree), *self._own(top, csv)]
            done = subprocess.run(
                command,
                cwd=next((folder for folder in (there["start"], there["root"]) if folder.is_dir()), tree),
                env=_environment(_import_folders(suite, self.root, top), top, tree),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        stored = read_stored(csv, label=label) if csv.exists() else None
        if stored is None or not (stored.rows or done.returncode == _NOTHING_COLLECTED):
            raise OptbenchError(f"--optbench-base: the run at {label} measured nothing: {_reason(done)}")
        return stored

    def _commit(self) -> str:
        names = self._git("for-each-ref", "--format=%(refname:short)", wrong="").split()
        return self._git(
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{self.ref}^{{commit}}",
            wrong=f"no commit is called {self.ref!r} here{_near(self.ref, names)} (a shallow clone may lack it)",
        )

    def _git(self, *arguments: str, wrong: str) -> str:
        """What git says; OptbenchError with the sentence where it fails."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), "-c", "core.hooksPath=/dev/null", *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise OptbenchError(f"--optbench-base needs git, which cannot be run here ({error.strerror})") from error
        if done.returncode and wrong:
            raise OptbenchError(inert(f"--optbench-base: {wrong.replace('{root}', str(self.root))}"))
        return done.stdout.strip()

    @contextmanager
    def _worktree(self, sha: str) -> Iterator[Path]:
        """The commit's files in a folder of their own, which is gone afterwards; so is what a killed session left."""
        for line in self._git("worktree", "list", "--porcelain", wrong="").splitlines():
            left = Path(line.removeprefix("worktree "))
            if line.startswith("worktree ") and left.parent.name.startswith(_FOLDER) and abandoned(left):
                self._remove(left)
        tree = Path(tempfile.mkdtemp(prefix=_FOLDER)).resolve() / self.root.name
        with exclusive(tree):
            try:
                add = ("worktree", "add", "--detach", "--force", str(tree), sha)
                self._git(*add, wrong=f"git cannot check out {sha[:9]}")
                yield tree
            finally:
                self._remove(tree)

    def _remove(self, tree: Path) -> None:
        self._git("worktree", "remove", "--force", "--force", str(tree), wrong="")
        shutil.rmtree(tree.parent, ignore_errors=True)
        self._git("worktree", "prune", wrong="")

    def _folders(self, top: Path) -> Iterator[tuple[str, Path]]:
        yield "root", self.root
        yield "start", self.start if self.start.resolve().is_relative_to(top) else self.root

    def _moved(self, top: Path, tree: Path) -> list[str]:
        """The arguments, with what belongs to this session left out and paths into this checkout led to the other."""
        kept = []
        skip = False
        for argument in self.arguments:
            name = argument.partition("=")[0]
            if skip:
                skip = False
            elif name in _DROPPED_WITH_VALUE:
                skip = "=" not in argument
            elif argument not in _DROPPED and not name.startswith(("--optbench-save", "--cov")):
                kept.append(argument.replace(str(top), str(tree)))
        return kept

    def _own(self, top: Path, csv: Path) -> list[str]:
        layers = "tasks,fingerprint" if self.layers == "all" else self.layers
        return [
            "--optbench-compare=none",
            "--optbench-csv=",
            "--optbench-html=",
            f"--optbench-layer={layers}",
            f"--optbench-save={csv}",
            f"--optbench-base-of={top}",
        ]


def _benchmarks(tree: Path, folders: Iterable[Path]) -> bool:
    """Is there anything to benchmark in a checkout: a table, or a marked test?"""
    if find_table([folder for folder in folders if folder.is_dir()]) is not None:
        return True
    return any("mark.optbench" in path.read_text("utf-8", errors="replace") for path in tree.rglob("*.py"))


def _import_folders(suite: Suite, root: Path, top: Path) -> list[Path]:
    """The folders of this checkout from which modules are imported, the optimizers' own first."""
    found = [root / "src", root]
    for entry in suite.entries.values():
        if path := entry.recipe.source()[0]:
            levels = entry.recipe.path.partition(":")[0].count(".") + (Path(path).name == "__init__.py")
            found.insert(0, Path(path).parents[levels])
    found += [Path(folder) for folder in sys.path if folder]
    inside = [folder.resolve() for folder in found]
    return list(dict.fromkeys(one for one in inside if one.is_relative_to(top) and not installed(one)))


def _environment(folders: Sequence[Path], top: Path, tree: Path) -> dict[str, str]:
    """The variables of the run: its own folders are looked into before whatever an installation points to."""
    moved = [str(tree / folder.relative_to(top)) for folder in folders]
    given = [Path(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    kept = [str(one) for one in given if one.resolve() not in folders]
    dropped = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "GITHUB_ACTIONS")
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**variables, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*moved, *kept]))}


def _near(name: str, valid: Sequence[str]) -> str:
    hint = nearest(name, valid)
    return hint.removesuffix("?") if hint.startswith("; did you mean") else ""


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """pytest's own sentence, else its last words."""
    lines = [line.strip() for line in done.stdout.decode("utf-8", errors="replace").splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return inert("; ".join(told[:1] or lines[-_LAST_LINES:]) or f"exit status {done.returncode}")
