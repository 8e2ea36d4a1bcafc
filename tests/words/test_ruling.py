"""A ruling as a function of runs, comparison and circumstances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_optbench.words.baseline import from_runs
from pytest_optbench.words.comparison import Comparison, compare
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate
from pytest_optbench.words.ruling import Circumstances, Ruling, rule
from pytest_optbench.words.run import Run
from pytest_optbench.words.verdict import judge

SEEDS = 32
SOLVED = (10,) * SEEDS
SLOWER = (20,) * SEEDS
MISSED: tuple[int | None, ...] = (None,) * SEEDS
EDGE = (10,) * 17 + (None,) * 15
OVER = (10,) * 15 + (None,) * 17


def runs(steps: Sequence[int | None], miss: str = "missed", **changes: Any) -> list[Run]:
    return [
        Run(
            recipe="r",
            task="t",
            target=1.0,
            budget=40,
            seed=seed,
            initial=1.0 + seed,
            outcome="reached" if count else miss,
            steps_to_target=count,
            trajectory_sha=str(count),
            **changes,
        )
        for seed, count in enumerate(steps)
    ]


def ruling(before: Sequence[int | None] | None, after: list[Run], **changes: Any) -> Ruling:
    comparison: Comparison | None = None
    if before is not None:
        comparison = compare(from_runs(runs(before))[0], from_runs(after)[0], Gate())
    circumstances = Circumstances(**{"fail_on": DEFAULT_FAIL_ON, "label": "base.csv", **changes})
    return rule(after, judge(after), comparison, circumstances)


@pytest.mark.parametrize(
    ("before", "after", "changes", "word"),
    [
        (None, runs(SOLVED), {}, "passed"),
        (None, runs(MISSED), {}, "failed"),
        (None, runs(MISSED), {"fail_on": frozenset()}, "reported"),
        (None, runs(MISSED), {"gates": False}, "reported"),
        (None, runs(MISSED), {"expected": "why"}, "xfailed"),
        (None, runs(SOLVED), {"expected": "why"}, "failed"),
        (None, runs(MISSED), {"saving": True}, "xfailed"),
        (None, runs(MISSED, "crashed"), {"saving": True, "expected": "why"}, "failed"),
        (None, runs(MISSED, "timeout"), {"gates": False}, "failed"),
        (SOLVED, runs(SOLVED), {}, "passed"),
        (SOLVED, runs(SLOWER), {}, "failed"),
        (SOLVED, runs(SLOWER), {"saving": True}, "passed"),
        (SOLVED, runs(SLOWER), {"gates": False}, "passed"),
        (SOLVED, runs(SLOWER), {"expected": "why"}, "failed"),
        (SOLVED, runs(MISSED), {}, "failed"),
        (SOLVED, runs(MISSED), {"expected": "why"}, "xfailed"),
        (EDGE, runs(OVER), {}, "reported"),
        (MISSED, runs(MISSED), {}, "xfailed"),
        (MISSED, runs(MISSED, "diverged"), {}, "failed"),
        (MISSED, runs(MISSED, "diverged"), {"fail_on": frozenset()}, "xfailed"),
        (MISSED, runs(MISSED, "crashed"), {"fail_on": frozenset()}, "failed"),
        (MISSED, runs(SOLVED), {}, "passed"),
        (SOLVED, runs(SOLVED, dtype="float64"), {}, "failed"),
        (SOLVED, runs(SOLVED, dtype="float64"), {"full": False}, "passed"),
        (MISSED, runs(MISSED, dtype="float64"), {"full": False}, "failed"),
    ],
)
def test_what_becomes_of_a_case(
    before: Sequence[int | None] | None, after: list[Run], changes: dict[str, Any], word: str
) -> None:
    found = ruling(before, after, **changes)
    assert found.word == word
    assert bool(found.sentence) == (word in ("failed", "xfailed"))
    assert bool(found.excuse) == (word == "xfailed")


def test_the_sentence_of_a_slower_case_has_all_that_is_known() -> None:
    sentence = ruling(SOLVED, runs(SLOWER, torch="3\n<b>"), accept="do that").sentence
    first, *rest = sentence.splitlines()
    assert first.startswith("r on t@1, compared with base.csv: slower on 32 of 32 pairs of seeds: p = 2.3e-10")
    assert rest == [
        "  steps to target: median 10 (32 of 32 seeds) before, median 20 (32 of 32 seeds) now",
        "  first difference: seed 0: steps to target 10 before, 20 now (relative 0.5)",
        "  torch was  and is 3\\n<b>",
        "  hyperparameters: {} (default), optimizer ",
        "  to accept it: do that",
    ]


def test_a_known_miss_is_excused_with_what_the_baseline_says() -> None:
    assert ruling(MISSED, runs(MISSED)).excuse == "known miss: 0 of 32 seeds reach the target in base.csv"
