"""A project: the repository of somebody who uses the plugin. Files in, run pytest in it, look at what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from junitparser import JUnitXml, Properties, TestCase

from pytest_optbench.words.run import Run
from pytest_optbench.words.table import read_runs

BOWLS = """
    from dataclasses import dataclass
    from typing import ClassVar

    from pytest_optbench.machine.tasks.draws import normal
    from pytest_optbench.machine.tasks.exact import ExactTask
    from pytest_optbench.words.threshold import Threshold

    @dataclass(frozen=True)
    class Bowl2(ExactTask):
        "Half the squared distance to (1, 1), from a start around the origin."

        name: ClassVar[str] = "bowl2"
        tags: ClassVar[frozenset[str]] = frozenset({"convex", "easy"})
        source: ClassVar[str] = "the plugin's own tests"
        optimum: ClassVar[float] = 0.0
        horizon: ClassVar[int] = 60
        threshold: ClassVar[Threshold] = Threshold(target=1e-3, budget=40, par=20)
        stretch: ClassVar[float] = 1.0

        def initial(self, streams, constants):
            return {"x": 0.1 * normal(streams.init, 2)}

        def value(self, parameters, constants):
            first, second = (parameters["x"] - 1).square()
            return 0.5 * (first + self.stretch * second)

    @dataclass(frozen=True)
    class Bowl3(Bowl2):
        "The same, stretched."

        name: ClassVar[str] = "bowl3"
        tier: ClassVar[str] = "small"
        tags: ClassVar[frozenset[str]] = frozenset({"convex", "stretched"})
        stretch: ClassVar[float] = 2.0
"""
"""A module with two tasks, `bowl2` (tier unit) and `bowl3` (tier small), that take milliseconds."""

HOOK = """
    from bowls import Bowl2, Bowl3

    def pytest_optbench_tasks(config):
        return [Bowl2(), Bowl3()]
"""

ACME = """
    import os
    import time

    import torch

    class Descent(torch.optim.SGD):
        def __init__(self, params, lr=0.3):
            super().__init__(params, lr=lr)
            self.count = 0

        def step(self, closure=None):
            self.count += 1
            if self.count >= 3:
                self.misbehave()
            return super().step()

        def misbehave(self):
            pass

    class Slow(Descent):
        def __init__(self, params, lr=1e-4):
            super().__init__(params, lr=lr)

    class Explodes(Descent):
        def __init__(self, params, lr=3.0):
            super().__init__(params, lr=lr)

    class NaNs(Descent):
        def misbehave(self):
            self.param_groups[0]["lr"] = float("nan")

    class Crashes(Descent):
        def misbehave(self):
            raise RuntimeError("boom in the third step")

    class Loops(Descent):
        def misbehave(self):
            while True:
                pass

    class Sleeps(Descent):
        def misbehave(self):
            time.sleep(600)

    class Swallows(Descent):
        def misbehave(self):
            while True:
                try:
                    time.sleep(0.01)
                except Exception:
                    pass

    class Exits(Descent):
        def misbehave(self):
            os._exit(3)

    class Interrupts(Descent):
        def misbehave(self):
            raise KeyboardInterrupt
"""
"""Optimizers for the bowls: `Descent` solves them, each of the others fails in its own way (from the third step on)."""


@dataclass(frozen=True)
class Result:
    """What a run of pytest left behind."""

    code: int
    text: str
    """Standard output and standard error."""
    outcomes: Mapping[str, int]
    """Numbers of the closing line by word, as in `{"passed": 2}`; of a run that has no such line, empty."""
    passed: tuple[str, ...]
    """Node ids that `-rA` lists as passed, in their order."""
    folder: Path

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def rows(self) -> list[Run]:
        """The rows of the CSV that `Project.bench` asks for."""
        return read_runs(self.folder / "rows.csv")

    def words(self, column: str = "outcome") -> dict[tuple[str, str], set[object]]:
        """What a column says over the seeds of each case, by (recipe, task)."""
        found: dict[tuple[str, str], set[object]] = {}
        for row in self.rows:
            found.setdefault((row.recipe, row.task), set()).add(getattr(row, column))
        return found

    @property
    def junit(self) -> dict[str, TestCase]:
        """The cases of the JUnit report that `Project.bench` asks for, by `classname::name`."""
        suites = JUnitXml.fromfile(str(self.folder / "junit.xml"))
        return {f"{case.classname}::{case.name}": case for suite in suites for case in suite}

    def properties(self, name: str) -> dict[str, str]:
        """The properties of one case of the JUnit report."""
        found = self.junit[name].child(Properties)
        return {one.name: one.value for one in found or ()}

    @property
    def error(self) -> str:
        """The sentence of a usage error; fails when that is not all there is."""
        assert self.code == pytest.ExitCode.USAGE_ERROR, self.text
        sentences = [line.removeprefix("ERROR: ") for line in self.lines if line.startswith("ERROR: ")]
        assert len(sentences) == 1, self.text
        assert "Traceback" not in self.text
        return sentences[0]


class Project:
    """A folder with a module `acme` of optimizers, two small tasks from a hook, and pytest to be run in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        self.write({"acme.py": ACME, "bowls.py": BOWLS, "conftest.py": HOOK})

    def write(self, files: Mapping[str, str]) -> Project:
        """Write files; their common indentation is taken off."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return self

    def table(self, *optimizers: str, settings: str = "", file: str = "pyproject.toml") -> Project:
        """Write a table of optimizers; each is `Class`, `Name=Class` or one of these and further keys, line by line.

        Cases are of 4 seeds on the two bowls unless `settings`, lines of TOML, say otherwise.
        """
        prefix = "tool.optbench" if file.endswith("pyproject.toml") else ""
        lines = [f"[{prefix}]" if prefix else ""]
        lines += [line.strip() for line in settings.splitlines()]
        lines += [line for line in ("seeds = 4", 'tasks = "bowl*"') if line.split()[0] not in settings]
        for optimizer in optimizers:
            first, *keys = (line.strip() for line in optimizer.strip().splitlines())
            name, _, path = first.rpartition("=")
            lines += [f'[{prefix}{"." if prefix else ""}optimizers."{name or path}"]', f'class = "acme:{path}"', *keys]
        return self.write({file: "\n".join(lines) + "\n"})

    def run(self, *arguments: str, subprocess: bool = False) -> Result:
        """Run pytest in the folder, in this process unless told otherwise; warnings are errors.

        The contract is left out unless `--optbench-layer` is among the arguments.
        Nothing is tuned unless `--optbench-tune` is among the arguments: optimizers here fail at their own defaults.
        """
        given = ["-W", "error", *arguments]
        if "--optbench" in arguments and not any(word.startswith("--optbench-tune") for word in arguments):
            given.append("--optbench-tune=off")
        if "--optbench" in arguments and not any(word.startswith("--optbench-layer") for word in arguments):
            given.append("--optbench-layer=tasks")
        if "no:terminal" not in arguments:
            given.append("-rA")
        if subprocess:
            done = self.pytester.runpytest_subprocess(*given, timeout=120)
        else:
            # A socket of pytest-rerunfailures is left to the garbage collector, hours after this test.
            quiet = [] if any(word.startswith("--reruns") for word in given) else ["-p", "no:rerunfailures"]
            done = self.pytester.runpytest_inprocess(*quiet, *given, no_reraise_ctrlc=True)
        text = done.stdout.str() + "\n" + done.stderr.str()
        try:
            outcomes = done.parseoutcomes()
        except ValueError:
            outcomes = {}
        passed = tuple(line.removeprefix("PASSED ") for line in done.outlines if line.startswith("PASSED "))
        return Result(int(done.ret), text, outcomes, passed, self.folder)

    def bench(self, *arguments: str, subprocess: bool = False) -> Result:
        """Run pytest with `--optbench`, a CSV and a JUnit report."""
        options = ("--optbench", "--optbench-csv=rows.csv", "--junitxml=junit.xml")
        return self.run(*options, *arguments, subprocess=subprocess)
