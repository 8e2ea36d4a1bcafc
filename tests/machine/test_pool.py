"""The pool: requests are answered by processes, whatever those do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_optbench.machine.pool import Failed, Pool, Told
from pytest_optbench.words.errors import OptbenchError


def doubling(offset):
    def answer(request, tell):
        match request:
            case "tell":
                tell("first")
                tell("second")
            case "raise":
                raise ArithmeticError("no")
            case "mistake":
                raise OptbenchError("a sentence")
            case "exit":
                os._exit(3)
            case "sleep":
                tell(os.getpid())
                time.sleep(600)
            case "process":
                return os.getpid()
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
        return f"{request}{offset}"

    return answer


@pytest.fixture(scope="module")
def pool():
    with Pool(1, doubling, "!") as pool:
        yield pool


def test_requests_are_answered_in_their_order(pool):
    assert list(pool.work(["a", "b"])) == [("a", "a!"), ("b", "b!")]


def test_what_is_told_comes_before_the_answer(pool):
    assert list(pool.work(["tell"])) == [("tell", Told("first")), ("tell", Told("second")), ("tell", "tell!")]


def test_a_request_that_raises_has_a_sentence_for_an_answer(pool):
    assert list(pool.work(["raise", "mistake", "a"])) == [
        ("raise", Failed("ArithmeticError: no")),
        ("mistake", Failed("a sentence")),
        ("a", "a!"),
    ]


def test_a_process_answers_many_requests(pool):
    assert len({found for _, found in pool.work(["process", "raise", "process"]) if isinstance(found, int)}) == 1


def test_a_process_does_not_hear_ctrl_c(pool):
    assert list(pool.work(["interrupt"])) == [("interrupt", "interrupt!")]


def test_a_process_that_dies_costs_its_request_only():
    with Pool(1, doubling, "!") as pool:
        assert list(pool.work(["exit", "a"])) == [("exit", Failed("its process ended with exit code 3")), ("a", "a!")]


def test_no_more_processes_are_started_than_are_needed():
    with Pool(8, doubling, "!") as pool:
        assert sorted(found for _, found in pool.work(["a", "b"])) == ["a!", "b!"]
        assert len(pool._idle) == 2


def test_processes_are_ended_whatever_they_do():
    with Pool(1, doubling, "!") as pool:
        _, told = next(pool.work(["sleep"]))
        (worker,) = pool._busy
    assert worker.process.exitcode == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(told.what, 0)


SCRIPT = """
import os, time
from pytest_optbench.machine.pool import Pool

def sleeping():
    def answer(request, tell):
        tell(os.getpid())
        time.sleep(600)
    return answer

if __name__ == "__main__":
    with Pool(1, sleeping) as pool:
        for _, told in pool.work(["sleep"]):
            print(told.what, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for a process in /proc")
def test_a_process_ends_when_its_parent_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(tmp_path / "script.py")], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
