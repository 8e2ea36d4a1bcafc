"""The campaign: the same files whatever the number of processes, and however often it was killed on the way."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_optbench import cli
from pytest_optbench.machine import campaign, references
from pytest_optbench.machine.campaign import JOURNAL, Campaign, code_fingerprint
from pytest_optbench.machine.tasks import CATALOGUE
from pytest_optbench.machine.tasks.registry import all_tasks
from pytest_optbench.words.baseline import SCHEMA, read_baseline, write_reference
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.threshold import Threshold, read_thresholds

MODULE = '''
import multiprocessing
import os
from typing import ClassVar
import torch
from pytest_optbench.machine import references
from pytest_optbench.tasks import ExactTask

if multiprocessing.parent_process() is not None:  # a few references are enough, in the processes that calibrate
    few = ("Adagrad", "AdamW", "SGD-nesterov", "NAdam")
    references.REFERENCES = {name: references.REFERENCES[name] for name in few}

class Bowl(ExactTask):
    """f(x) = ½ Σ λ x²."""

    name: ClassVar[str] = "tiny_bowl"
    source: ClassVar[str] = "tests"
    optimum: ClassVar[float | None] = 0.0
    horizon: ClassVar[int] = 30
    seeds: ClassVar[int] = 2
    curvature = 1.0

    def initial(self, streams, constants):
        return {"x": 3.3 + 0.1 * torch.randn(2, generator=streams.init)}

    def value(self, parameters, constants):
        return 0.5 * (parameters["x"].square() * torch.tensor([1.0, self.curvature])).sum()

class Steep(Bowl):
    name = "tiny_steep"
    curvature = 4.0

class Flat(Bowl):
    name = "tiny_flat"
    curvature = 0.5
    horizon = 40

class Hopeless(Bowl):
    name = "bad_hopeless"
    optimum = -100.0

class Deadly(Bowl):
    name = "bad_deadly"

    def initial(self, streams, constants):
        os._exit(7)
'''
TINY = ("tiny_bowl", "tiny_flat", "tiny_steep")
COMMAND = "from pytest_optbench.cli import main; raise SystemExit(main())"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a module of tasks, which is the current one."""
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "tiny_tasks.py").write_text(MODULE)
    before = Path.cwd()
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    yield folder
    os.chdir(before)
    sys.path.remove(str(folder))
    sys.modules.pop("tiny_tasks", None)


def tasks(*names):
    found = all_tasks(["tiny_tasks"], root=Path.cwd())
    return [found[name] for name in names]


def carried_out(out, *names, jobs=1, **options):
    """What a campaign says, and what it says of the tasks that failed."""
    said = []
    failures = Campaign(tasks=tasks(*names), out=out, modules=["tiny_tasks"], jobs=jobs, **options).run(said.append)
    return said, failures


def files(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def rewrite(path, change):
    """Change a text file, compressed or not."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode(), mtime=0))
    else:
        path.write_text(change(path.read_text()))


@pytest.fixture(scope="module")
def serial(folder):
    """The folder of a campaign that nobody disturbed."""
    out = folder / "serial"
    said, failures = carried_out(out, *TINY)
    assert failures == {}
    (out.parent / "said.json").write_text(json.dumps(said))
    return out


@pytest.fixture
def copied(serial, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name, content in files(serial).items():
        (out / name).write_bytes(content)
    return out


def command(out, *options):
    return [sys.executable, "-c", COMMAND, "calibrate", "--module", "tiny_tasks", "--out", str(out), *options]


def started(out, *options):
    # What a shell starts in the background ignores interrupts, and hands that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            command(out, *options), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(process, pattern):
    """Read the command's progress up to the first line that matches."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if re.search(pattern, line):
            return
    pytest.fail(f"no line matches {pattern!r}: {seen}")


def children(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_campaign_leaves_both_tables_and_nothing_else(serial):
    assert sorted(files(serial)) == ["reference.csv.gz", "thresholds.csv"]
    assert sorted(name for name, _ in read_thresholds(serial / "thresholds.csv")) == sorted(TINY)
    keys = [(row.recipe, row.task) for row in read_baseline(serial / "reference.csv.gz")]
    assert keys == [(name, task) for task in sorted(TINY) for name in ("Adagrad", "AdamW", "NAdam", "SGD-nesterov")]


def test_two_processes_leave_the_same_bytes_as_one(serial, tmp_path):
    carried_out(tmp_path / "out", *TINY, jobs=2)
    assert files(tmp_path / "out") == files(serial)


def test_progress_names_task_count_time_and_estimate(serial):
    said = json.loads((serial.parent / "said.json").read_text())
    assert said[0] == "measuring a few steps of 3 tasks"
    assert all(re.match(r"\[\d/3 \d+:\d\d:\d\d, about \d+:\d\d:\d\d left\] tiny_\w+: ", line) for line in said[1:])
    assert said[-1].startswith("[3/3 ")
    assert sum(": done: " in line for line in said) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.full)])
def test_a_killed_command_goes_on_from_where_it_was(serial, tmp_path, jobs):
    process = started(tmp_path / "out", "--tasks", "tiny_*", "--jobs", jobs)
    wait_for(process, "tuned" if jobs == "2" else ": done: ")
    workers = children(process)
    process.kill()
    process.wait()
    process.stderr.close()
    assert workers
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))

    said, _ = carried_out(tmp_path / "out", *TINY)
    assert files(tmp_path / "out") == files(serial)
    if jobs == "1":
        assert said[0].endswith(f"of 3 tasks are done already, says {tmp_path / 'out' / JOURNAL}")
        assert sum(": done: " in line for line in said) == 3 - int(said[0][0])


def test_ctrl_c_ends_the_command_with_a_sentence(folder, tmp_path):
    process = started(tmp_path / "out", "--tasks", "tiny_*")
    wait_for(process, "tuned")
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.splitlines()[-1] == (
        "optbench: interrupted; what is done is kept, and the same command goes on from there"
    )
    assert "Traceback" not in rest


def entries(out):
    return [json.loads(line) for line in (out / JOURNAL).read_bytes().splitlines()]


@pytest.fixture(scope="module")
def journal(serial):
    """The journal of a campaign that came to its end but for a task that failed."""
    out = serial.parent / "journal"
    _, failures = carried_out(out, "tiny_bowl", "tiny_flat", "bad_deadly", jobs=2)
    assert failures == {"bad_deadly": "its process ended with exit code 7"}
    return out / JOURNAL


@pytest.fixture
def begun(journal, tmp_path):
    """A folder with a journal alone."""
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).write_bytes(journal.read_bytes())
    return out


def test_a_task_that_kills_its_process_costs_no_other(journal):
    assert sorted(name for name, _ in read_thresholds(journal.parent / "thresholds.csv")) == ["tiny_bowl", "tiny_flat"]


def test_what_the_journal_holds_is_not_done_again(begun, serial):
    said, _ = carried_out(begun, *TINY)
    assert said[0] == f"2 of 3 tasks are done already, says {begun / JOURNAL}"
    assert {line.split("] ")[1].split(":")[0] for line in said[1:]} == {"tiny_steep"}
    assert files(begun) == files(serial)


def pending(out, *names, fresh=False):
    """The tasks that a campaign would still have to do."""
    desk = campaign._Desk(Campaign(tasks=tasks(*names), out=out, fresh=fresh), lambda line: None)
    return [task.name for task in desk.resume()]


def test_a_torn_last_line_of_the_journal_is_ignored(begun, serial):
    first, second = (entry["task"] for entry in entries(begun))
    (begun / JOURNAL).write_bytes((begun / JOURNAL).read_bytes()[:-100])
    assert pending(begun, first, second) == [second]
    assert [name for name, _ in read_thresholds(begun / "thresholds.csv")] == [first]


@pytest.mark.parametrize(
    ("name", "value"),
    [("code", "another"), ("task_version", 2), ("thresholds", "task\n"), ("reference", "schema\n"), ("reference", 3)],
)
def test_an_entry_of_other_code_or_damaged_is_done_again(begun, name, value):
    changed = [{**entry, name: value} for entry in entries(begun)]
    (begun / JOURNAL).write_text("".join(json.dumps(entry) + "\n" for entry in changed))
    assert pending(begun, *TINY) == list(TINY)


def test_fresh_ignores_the_journal(begun):
    assert pending(begun, *TINY, fresh=True) == list(TINY)
    assert not (begun / JOURNAL).exists()


def test_a_journal_that_holds_other_tasks_stays(begun):
    carried_out(begun, "tiny_bowl")
    assert {entry["task"] for entry in entries(begun)} == {"tiny_bowl", "tiny_flat"}


def test_rows_of_other_tasks_are_kept(begun, serial):
    for name, content in files(serial).items():
        (begun / name).write_bytes(content)
        rewrite(begun / name, lambda text: text.replace("tiny_", "other_"))
    carried_out(begun, "tiny_bowl")
    found = {"tiny_bowl", "other_bowl", "other_flat", "other_steep"}
    assert {row.task for row in read_baseline(begun / "reference.csv.gz")} == found
    assert {name for name, _ in read_thresholds(begun / "thresholds.csv")} == found


def test_rows_of_the_same_task_are_replaced(begun, serial):
    for name, content in files(serial).items():
        (begun / name).write_bytes(content)
        rewrite(
            begun / name,
            lambda text: text.replace("Adagrad,tiny_bowl,1", "Gone,tiny_bowl,2").replace("tiny_bowl,1", "tiny_bowl,2"),
        )
    carried_out(begun, "tiny_bowl", "tiny_flat")
    assert files(begun) == files(serial)


def without(path, recipe):
    """A reference table that lacks the rows of one reference."""
    write_reference(path, [row for row in read_baseline(path) if row.recipe != recipe])


def test_only_rows_that_are_missing_are_added(copied, serial, monkeypatch):
    few = {row.recipe for row in read_baseline(copied / "reference.csv.gz")}
    monkeypatch.setattr(references, "REFERENCES", {name: references.REFERENCES[name] for name in sorted(few)})
    without(copied / "reference.csv.gz", "NAdam")
    said, failures = carried_out(copied, *TINY, missing=True)
    assert failures == {}
    assert files(copied) == files(serial)
    assert sum("tuned" in line for line in said) == len(TINY)


def test_rows_can_be_missing_only_beside_a_target(folder, tmp_path):
    with pytest.raises(OptbenchError, match=r"--missing: .* has no target of tiny_bowl in the present version"):
        carried_out(tmp_path / "out", "tiny_bowl", missing=True)


def test_a_task_that_fails_is_told_at_the_end(folder, tmp_path, capfd):
    out = tmp_path / "out"
    arguments = ["calibrate", "--module", "tiny_tasks", "--tasks", "tiny_bowl or bad_hopeless", "--out", str(out)]
    assert cli.main(arguments) == 1
    lines = capfd.readouterr().err.splitlines()
    sentence = "task bad_hopeless: no reference reaches "
    assert any(f"bad_hopeless: FAILED: {sentence}" in line for line in lines)
    assert lines[-2].startswith("optbench: 1 of 2 tasks could not be calibrated; what is done is kept, and the same")
    assert lines[-1].startswith(f"  bad_hopeless: {sentence}")
    assert [name for name, _ in read_thresholds(out / "thresholds.csv")] == ["tiny_bowl"]
    assert [entry["task"] for entry in entries(out)] == ["tiny_bowl"]


def test_a_task_of_ones_own_is_told_the_line_to_paste(folder, tmp_path, capfd):
    out = tmp_path / "out"
    assert cli.main(["calibrate", "tiny_tasks:Bowl", "--out", str(out)]) == 0
    first, line = capfd.readouterr().out.splitlines()
    assert first.startswith("tiny_tasks:Bowl is calibrated; give the class this line")
    namespace = {"Threshold": Threshold}
    exec(line.strip(), namespace)
    assert {("tiny_bowl", 1): namespace["threshold"]} == read_thresholds(out / "thresholds.csv")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "reference.csv.gz",
            lambda text: text.replace("\n1,optbench", f"\n{SCHEMA + 1},optbench", 1),
            f"reference.csv.gz, line 2: schema {SCHEMA + 1} is newer than {SCHEMA}, the newest this version reads",
        ),
        ("reference.csv.gz", lambda text: text[:-100], "reference.csv.gz, line 13: "),
        ("thresholds.csv", lambda text: text[:-40], "thresholds.csv, line 4: no threshold ("),
    ],
)
def test_tables_that_cannot_be_read_are_refused_before_anything_runs(name, change, sentence, copied, capsys):
    rewrite(copied / name, change)
    before = files(copied)
    assert cli.main(["calibrate", "--module", "tiny_tasks", "--tasks", "tiny_bowl", "--out", str(copied)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"optbench: {copied / sentence}")
    assert files(copied) == before


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_place_of_the_folder_is_a_mistake(below, folder, tmp_path, capsys):
    (tmp_path / "out.csv").write_text("")
    arguments = ["calibrate", "--tasks", "rosenbrock2", "--out", str(tmp_path / "out.csv" / below)]
    assert cli.main(arguments) == 2
    assert "out.csv" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_processes_that_is_none_is_a_mistake(jobs, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["calibrate", "--out", str(tmp_path), "--jobs", jobs])
    assert stopped.value.code == 2
    assert "is no number of processes; expected at least 1" in capsys.readouterr().err


def test_the_fingerprint_is_that_of_the_code_and_of_the_task(folder, monkeypatch):
    (bowl,) = tasks("tiny_bowl")
    assert code_fingerprint(bowl) == code_fingerprint(bowl)
    assert code_fingerprint(bowl) != code_fingerprint(CATALOGUE[0])
    before = code_fingerprint(bowl)
    monkeypatch.setattr(campaign, "environment", lambda: {"torch": "0"})
    assert code_fingerprint(bowl) != before


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3599, "0:59:59"), (90061, "25:01:01")]
)
def test_times_are_told_in_hours_minutes_and_seconds(seconds, text):
    assert campaign._clock(seconds) == text
