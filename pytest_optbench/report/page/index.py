"""The index of a page: the table of cases by column, with every text that repeats kept once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pytest_optbench.analysis.cases import CaseSummary
from pytest_optbench.report.inert import LONGEST_NAME, one_line
from pytest_optbench.report.page.level import LEVELS, number, thin_curve

PAR = "AdamW"
"""The reference whose median steps are par; a speed-up is over these."""
WORDS = ("tier", "regime", "verdict", "change", "level")
"""Columns of few different words."""
ENVIRONMENT = (
    *("optimizer", "optimizer_version", "engine", "suite", "torch", "numpy", "python", "platform", "cpu"),
    *("device", "dtype", "git_sha", "timestamp"),
)
"""What is the same for many cases, and told of each."""
NO_WORD = "none"

TaskKey = tuple[str, int]


class References:
    """The reference table by task; a case is set beside it only where target and budget are the same."""

    def __init__(self, cases: Iterable[CaseSummary]) -> None:
        self._rows: dict[TaskKey, list[CaseSummary]] = {}
        for case in cases:
            self._rows.setdefault((case.task, case.task_version), []).append(case)

    def beside(self, case: CaseSummary) -> list[CaseSummary]:
        return [
            row
            for row in self._rows.get((case.task, case.task_version), ())
            if row.budget == case.budget and math.isclose(row.target, case.target, rel_tol=1e-9)
        ]

    def par(self, case: CaseSummary) -> CaseSummary | None:
        return next((row for row in self.beside(case) if row.recipe == PAR), None)


class Index:
    """Grows by a case at a time; `data()` is what the page reads."""

    def __init__(self, references: References, tags: Mapping[str, Collection[str]]) -> None:
        self._references = references
        self._tags = tags
        self._texts: dict[str, int] = {}
        self._tasks: dict[tuple[Any, ...], int] = {}
        self._told_tasks: list[dict[str, Any]] = []
        self._environments: dict[tuple[str, ...], int] = {}
        names = ("source", "recipe", "task", "environment", "outcome", "reached", "seeds", "steps")
        more = ("speedup", "ratio", "p")
        self._columns: dict[str, list[Any]] = {name: [] for name in (*names, *WORDS, *more)}

    def __len__(self) -> int:
        return len(self._columns["task"])

    def add(self, case: CaseSummary) -> None:
        """Take a case into the table."""
        par = self._references.par(case)
        ratio = case.comparison.get("ratio")
        row = {
            "source": self._text(case.source),
            "recipe": self._text(case.recipe),
            "task": self._task(case),
            "environment": self._environment(case),
            "outcome": self._text(outcome(case)),
            "reached": case.reached,
            "seeds": len(case.seeds),
            "steps": number(case.median_steps, 6),
            **{name: self._text(case.shared.get(name, "") or NO_WORD) for name in WORDS},
            "speedup": number(_speedup(par, case), 4),
            "ratio": "inf" if ratio == math.inf else number(ratio, 4),
            "p": number(case.comparison.get("p_value"), 3),
        }
        for name, value in row.items():
            self._columns[name].append(value)

    def data(self) -> dict[str, Any]:
        """Texts, tasks and environments once, and columns that name them by their numbers."""
        return {
            "texts": list(self._texts),
            "tasks": self._told_tasks,
            "environments": [dict(zip((*ENVIRONMENT, "threads"), one, strict=True)) for one in self._environments],
            "columns": self._columns,
        }

    def counted(self, column: str) -> dict[str, int]:
        """How many cases have each word of a column."""
        texts = list(self._texts)
        found: dict[str, int] = {}
        for place in self._columns[column]:
            found[texts[place]] = found.get(texts[place], 0) + 1
        return dict(sorted(found.items()))

    def _text(self, text: str) -> int:
        return self._texts.setdefault(one_line(text, longest=LONGEST_NAME), len(self._texts))

    def _task(self, case: CaseSummary) -> int:
        """The task's number; where two tables disagree about budget or target, they are two."""
        key = case.task, case.task_version, case.budget, case.target
        if key not in self._tasks:
            self._tasks[key] = len(self._tasks)
            self._told_tasks.append(
                {
                    "name": self._text(case.task),
                    "version": case.task_version,
                    "budget": case.budget,
                    "tags": sorted(one_line(tag, longest=LONGEST_NAME) for tag in self._tags.get(case.task, ())),
                    "references": [_reference(row) for row in self._references.beside(case)],
                }
            )
        return self._tasks[key]

    def _environment(self, case: CaseSummary) -> int:
        told = (*(one_line(case.shared.get(name, "")) for name in ENVIRONMENT), str(case.threads))
        return self._environments.setdefault(told, len(self._environments))


def outcome(case: CaseSummary) -> str:
    """The case in a word: solved, or what most explains that it is not."""
    for word in ("crashed", "timeout"):
        if word in case.outcomes:
            return word
    if case.solved:
        return "solved"
    return "diverged" if case.outcomes.count("diverged") > case.outcomes.count("missed") else "missed"


def _speedup(par: CaseSummary | None, case: CaseSummary) -> float | None:
    """Steps of tuned AdamW over steps of the case; None where one of them has no median."""
    if par is None or not math.isfinite(par.median_steps) or not math.isfinite(case.median_steps):
        return None
    return par.median_steps / case.median_steps if case.median_steps else None


def _reference(row: CaseSummary) -> dict[str, Any]:
    told: dict[str, Any] = {
        "recipe": row.recipe,
        "hyperparameters": row.hyperparameters,
        "steps": number(row.median_steps, 6),
        "reached": row.reached,
        "seeds": len(row.seeds),
    }
    if row.recipe == PAR:
        told["each"] = [number(steps, 6) for steps in row.steps]
        told["curve"] = thin_curve(row.curves[0], LEVELS[1]) if row.curves else []
    return told
