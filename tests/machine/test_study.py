"""The study: what is done is never done again, and what fails costs nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from tables import run

from pytest_optbench.machine import study as module
from pytest_optbench.machine.study import JOURNAL, Study
from pytest_optbench.words.declaration import read_table
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import from_csv, to_csv

TOML = """
[optimizers.Good]
class = "torch.optim:SGD"
[optimizers.Bad]
class = "torch.optim:SGD"
[optimizers.Late]
class = "torch.optim:SGD"
"""
WRITES = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('rows'); sys.exit(1)"
FAILS = "import sys; print('ERROR: no such class'); sys.exit(4)"
HANGS = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).write_text('some'); time.sleep(600)"


TABLE = to_csv([run(recipe=name) for name in ("Bad", "Good", "Late")])
WRITES_TABLE = f"import sys, pathlib; pathlib.Path(sys.argv[1]).write_text({TABLE!r})"


class Stub(Study):
    """Starts a line of Python for the first recipe of a process, in place of pytest."""

    programs: ClassVar[dict[str, str]] = {"Good": WRITES, "Bad": FAILS, "Late": WRITES}

    def command(self, group):
        python, *_ = super().command(group)
        return [python, "-S", "-c", self.programs[group[0].name], str(self.unfinished(group))]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL", 0.01)
    path = tmp_path / "optbench.toml"
    path.write_text(TOML)
    return Stub(table=read_table(path), out=tmp_path / "out")


def entries(study):
    return {entry["name"]: entry for entry in map(json.loads, (study.out / JOURNAL).read_text().splitlines())}


def test_a_failure_stops_no_other_and_is_told(study):
    failures = study.run([].append)
    assert failures == {"Bad": "failed; ERROR: no such class"}
    assert sorted(path.stem for path in study.out.glob("*.csv")) == ["Good", "Late"]
    assert {name: entry["status"] for name, entry in entries(study).items()} == {
        "Good": "done",
        "Bad": "failed",
        "Late": "done",
    }


def test_what_is_done_is_not_done_again_and_what_failed_is(study):
    study.run([].append)
    said = []
    study.run(said.append)
    assert said[0] == "2 of 3 optimizers are done; 1 to run"
    assert [line for line in said if line.startswith("Bad")] != []


def test_a_table_that_was_lost_is_made_again(study):
    study.run([].append)
    (study.out / "Good.csv").unlink()
    study.run([].append)
    assert (study.out / "Good.csv").is_file()


@pytest.mark.parametrize("changes", [{"tier": "unit"}, {"tasks": "convex"}, {"seeds": 8}])
def test_another_question_is_asked_anew(study, changes):
    study.run([].append)
    said = []
    replace(study, **changes).run(said.append)
    assert said[0] == "0 of 3 optimizers are done; 3 to run"


def test_a_changed_recipe_is_run_anew(study):
    study.run([].append)
    study.table.path.write_text(
        TOML.replace("[optimizers.Bad]", "hyperparameters = { momentum = 0.9 }\n[optimizers.Bad]")
    )
    said = []
    replace(study, table=read_table(study.table.path)).run(said.append)
    assert said[0] == "1 of 3 optimizers are done; 2 to run"


def test_one_that_hangs_is_ended_and_leaves_what_it_has(study):
    study = replace(study, only=["Good"], timeout=3)
    study.programs = {"Good": HANGS}
    started = time.monotonic()
    assert study.run([].append)["Good"].startswith("timeout")
    assert time.monotonic() - started < 60
    assert (study.out / "Good.csv").read_text() == "some"


def test_an_interruption_keeps_what_is_done_and_ends_the_rest(study):
    study = replace(study, only=["Good", "Late"])
    study.programs = {"Good": WRITES, "Late": HANGS}

    def interrupt(line):
        if line.startswith("Good"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run(interrupt)
    assert list(entries(study)) == ["Good"]
    said = []
    study.programs = {"Good": WRITES, "Late": WRITES}
    study.run(said.append)
    assert said[0] == "1 of 2 optimizers are done; 1 to run"


def test_a_study_that_is_killed_leaves_no_pytest_behind(tmp_path):
    (tmp_path / "optbench.toml").write_text('[optimizers.Slow]\nclass = "slow:Slow"\nhyperparameters = { lr = 1.0 }\n')
    (tmp_path / "slow.py").write_text(
        "import pathlib, time, torch\n"
        "class Slow(torch.optim.SGD):\n"
        "    def step(self, closure=None):\n"
        f"        pathlib.Path({str(tmp_path / 'stepping')!r}).touch()\n"
        "        time.sleep(600)\n"
    )
    command = "import sys; from pytest_optbench.cli import main; sys.exit(main())"
    arguments = ["study", "optbench.toml", "--out", "out", "--tasks", "sphere10", "--seeds", "2"]
    with subprocess.Popen(
        [sys.executable, "-c", command, *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as study:
        when((tmp_path / "stepping").exists)
        study.kill()
    log = tmp_path / "out" / "logs" / "Slow.log"
    when(lambda: "KeyboardInterrupt" in log.read_text(encoding="utf-8"))


def when(happened):
    """Wait for something that another process does."""
    patience = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_those_that_share_a_process_have_a_table_each(study):
    study = replace(study, together=3)
    study.programs = {"Good": WRITES_TABLE}
    assert study.run([].append) == {}
    for name in ("Good", "Bad", "Late"):
        assert [run.recipe for run in from_csv((study.out / f"{name}.csv").read_text(), where=name)] == [name]


def test_what_fails_together_is_run_alone_the_next_time(study):
    study = replace(study, together=3)
    study.programs = {"Good": FAILS}
    assert sorted(study.run([].append)) == ["Bad", "Good", "Late"]
    study.programs = {"Good": WRITES, "Bad": FAILS, "Late": WRITES}
    assert sorted(study.run([].append)) == ["Bad"]


def test_only_names_the_order(study):
    said = []
    replace(study, only=["Late", "Good"]).run(said.append)
    assert [line.partition(":")[0] for line in said if ": done" in line] == ["Late", "Good"]


def test_a_name_that_is_not_in_the_table_is_a_mistake(study):
    with pytest.raises(OptbenchError, match="did you mean 'Good'"):
        replace(study, only=["Goood"]).run([].append)


def test_pytest_is_asked_for_the_recipes_and_no_ini_file_but_ours(study):
    command = Study.command(replace(study, tasks="convex", seeds=8), study.table.optimizers[:2])
    assert [word for word in command if "::" in word] == [f"{study.table.path}::Good", f"{study.table.path}::Bad"]
    assert {"--optbench-tasks=convex", "--optbench-seeds=8", "--optbench-tier=small"} <= set(command)
    assert command[command.index("-c", 3) + 1] == str(Path(study.out / "pytest.ini").resolve())


@pytest.mark.skipif(sys.platform == "win32", reason="no signal handlers before exec")
def test_a_process_that_inherits_ignored_interrupts_can_be_ended_all_the_same(study, tmp_path):
    own = tmp_path / "test_own.py"
    own.write_text("import os, signal\ndef test_it():\n    os.kill(os.getpid(), signal.SIGINT)\n    signal.pause()\n")
    python = Study.command(study, study.table.optimizers[:1])[:3]
    code = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    arguments = [*python, "-p", "no:cacheprovider", "-c", os.devnull, str(own)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert process.wait(30) == pytest.ExitCode.INTERRUPTED
        finally:
            process.kill()
