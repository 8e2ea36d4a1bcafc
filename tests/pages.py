"""Pages to look at: runs of cases that were never run, and the page that is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pytest_optbench.analysis.cases import CaseSummary, reference_cases
from pytest_optbench.analysis.reading import read_cases
from pytest_optbench.report.page.document import page
from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "<!-- <script> & \u2028 '\"`",
    "safe\u202etxt.exe",
    "constructor",
    "__proto__",
    "long" * 2500,
)
"""Names that would do something in a page that is not careful."""
TAGS = {"bowl": ("convex", "unit"), "valley": ("nonconvex",)}
TRAJECTORY = [[0, -1.0, 1.0], [2, 0.0, 0.5], [4, 0.5, 0.25], [8, 1.0, 1.0]]
IMAGES = [[[k * row * column for column in range(8)] for row in range(8)] for k in (1, 2)]


def runs(recipe: str, task: str, steps: Sequence[int | None], **columns: Any) -> list[Run]:
    """The runs of a case, a seed for each number of steps; None for one that missed."""
    known: dict[str, Any] = {
        "tier": "unit",
        "optimizer": "acme:Adam",
        "hyperparameters": '{"lr": 0.1}',
        "budget": 100,
        "optimum": 0.0,
        "target": 0.1,
        "verdict": "passed" if 2 * sum(count is not None for count in steps) >= len(steps) else "failed",
        "change": "new",
        "torch": "2.13.0",
        "metrics": '{"accuracy": 0.9, "recall_0": 1.0, "recall_1": 0.5}',
        "diagnostics": '{"gradient_norm":[[1,2.0],[4,0.5]]}',
    }
    return [
        Run(
            recipe=recipe,
            task=task,
            seed=seed,
            initial=2.0 + seed,
            outcome="missed" if count is None else "reached",
            steps_to_target=count,
            best=0.05,
            final=0.05,
            curve=json.dumps([[0, 2.0 + seed], [10, 1.0], [count or 100, 0.5 if count is None else 0.05]]),
            **{**known, **columns, "examples": columns.get("examples", "") if seed == 0 else ""},
        )
        for seed, count in enumerate(steps)
    ]


def few() -> list[Run]:
    """Four cases of two recipes on two tasks."""
    return [
        *runs("Adam", "bowl", [30, 40], examples=json.dumps({"trajectory": TRAJECTORY})),
        *runs(
            "Adam", "valley", [None, None], tier="small", examples=json.dumps({"inputs": IMAGES, "restored": IMAGES})
        ),
        *runs("Lion", "bowl", [9, 11], change="faster", ratio=0.3, ratio_low=0.2, ratio_high=0.4, p_value=0.001),
        *runs("Lion", "valley", [100, 100], tier="small", examples='{"tokens":[[1,2,3]],"likely":[[1,2,4]]}'),
    ]


_references = cache(reference_cases)


def read(folder: Path, rows: Iterable[Run]) -> list[CaseSummary]:
    """The cases of the runs, by way of a table in the folder."""
    table = folder / "runs.csv"
    table.write_text(to_csv(rows), encoding="utf-8", newline="")
    return list(read_cases([table], curves=True))


def written(folder: Path, rows: Iterable[Run], **options: Any) -> Path:
    """The page of the runs, as a file."""
    cases = read(folder, rows)
    path = folder / "page.html"
    path.write_text(page(lambda: cases, references=_references(), tags=TAGS, **options), encoding="utf-8")
    return path
