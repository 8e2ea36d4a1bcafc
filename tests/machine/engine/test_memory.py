"""Memory: what an evaluation frees is there for the next one, where the C library can be told so."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from pytest_optbench.machine.engine import memory

FAULTS = """
import resource, sys
import torch
from pytest_optbench.machine.engine.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    blocks = [torch.ones(2**19) for _ in range(8)]
    return sum(block[0] for block in blocks)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


pytest.importorskip("resource", reason="page faults are counted there")


@pytest.mark.skipif(not memory.keep_freed_memory(), reason="another C library than glibc")
def test_pages_are_not_mapped_anew_for_every_evaluation():
    def faults(how):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True)
        return int(done.stdout)

    # 20 times 16 MiB in pages of 4 KiB are 81,920.
    assert 5 * faults("kept") < faults("as it is")


def test_another_c_library_is_left_alone(monkeypatch):
    class Musl:
        def mallopt(self, name, value):
            raise AssertionError("it is not to be called")

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Musl())
    assert memory.keep_freed_memory.__wrapped__() is False


def test_a_platform_without_a_library_to_ask_is_left_alone(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert memory.keep_freed_memory.__wrapped__() is False
