"""The table of admission, for people."""

from __future__ import annotations

import re

from pytest_optbench.report.admission import admission_lines
from pytest_optbench.words.admission import Finding


def finding(task, rule, figure, sentence="", outcome="passed"):
    return Finding(task=task, task_version=1, rule=rule, outcome=outcome, figure=figure, sentence=sentence)


GOOD = (
    finding("bowl", "no_op", "0/4"),
    finding("bowl", "random_walk", "1/4 at 0.1"),
    finding("bowl", "reference", "8/8 7/8 SGD(lr=0.1)"),
    finding("bowl", "knob spread", "3, 5, 9"),
    finding("bowl", "knob size", "1, 2, 4"),
    finding("bowl", "solution", "0"),
    finding("bowl", "gradient", "1e-09"),
    finding("bowl", "unknown_key", "refused"),
)
BAD = (
    finding("pit", "no_op", "4/4", "4 of 4 seeds are at the target", "failed"),
    finding("pit", "knob spread", "3, 2, 1", "3 steps, and then less", "failed"),
    finding("pit", "gradient", "1e-09"),
)
KNOBS = "spread 3, 5, 9; size 1, 2, 4"
LOST = (finding("lost", "run", "", "its process ended with exit code 7", "failed"),)


def test_a_row_per_task_and_the_sentences_of_what_failed():
    lines = list(admission_lines({"bowl": GOOD, "pit": BAD, "lost": LOST}, of=4))
    cells = [re.split(r" {2,}", line) for line in lines[:4]]
    assert cells == [
        ["task", "admitted", "no_op", "random_walk", "reference", "solution", "gradient", "knobs", "unknown_key"],
        ["bowl@1", "yes", "0/4", "1/4 at 0.1", "8/8 7/8 SGD(lr=0.1)", "0", "1e-09", KNOBS, "refused"],
        ["pit@1", "NO", "FAILED 4/4", "-", "-", "-", "1e-09", "FAILED spread 3, 2, 1", "-"],
        ["lost@1", "NO", *"-------"],
    ]
    assert len({line.index(cell) for line, cell in zip(lines[:2], ("unknown_key", "refused"), strict=True)}) == 1
    assert lines[-5:] == [
        "FAILED pit@1 no_op: 4 of 4 seeds are at the target",
        "FAILED pit@1 knob spread: 3 steps, and then less",
        "FAILED lost@1 run: its process ended with exit code 7",
        "",
        "admitted: 1 of 4 tasks",
    ]


def test_where_all_is_well_no_more_is_said():
    lines = list(admission_lines({"bowl": GOOD}, of=1))
    assert lines[-1] == "admitted: 1 of 1 task"
    assert not any(line.startswith("FAILED") for line in lines)
