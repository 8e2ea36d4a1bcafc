"""Findings of admission, as data."""

from __future__ import annotations

import pytest

from pytest_optbench.words.admission import Finding, from_csv, to_csv
from pytest_optbench.words.errors import OptbenchError

PASSED = Finding(
    task="bowl", task_version=2, rule="no_op", outcome="passed", figure="0/4", sentence="0 of 4, and so on"
)
FAILED = Finding(task="bowl", task_version=2, rule="knob spread", outcome="failed", figure="3, 2, 1")


def test_findings_round_trip_in_order():
    assert from_csv(to_csv([PASSED, FAILED]), where="here") == [FAILED, PASSED]
    assert (PASSED.passed, FAILED.passed) == (True, False)


def test_something_else_is_refused():
    with pytest.raises(OptbenchError, match=r"^here: no column 'rule' in the header"):
        from_csv("schema,task,task_version\n", where="here")
