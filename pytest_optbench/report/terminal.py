"""The terminal summary: one line per case, fitted to the width, then what was solved and what to do next."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_optbench.words.declaration import LEVELS
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import median
from pytest_optbench.words.table import case_rows
from pytest_optbench.words.verdict import Verdict, judge

TaskKey = tuple[str, int]
CaseKey = tuple[str, str, int]
_HEADER = ("task", "change", "verdict", "reached", "steps", "quartiles", "budget", "target", "speed-up", "tuned")
_HARD_SPACE = "\u00a0"
"""A space at which no line is broken."""
_RIGHT = frozenset({"reached", "steps", "budget", "target", "speed-up"})
_CAUGHT = "shadow: "
_WHOLE_SECONDS = 10
_DROP_ORDER = ("quartiles", "target", "budget", "speed-up", "tuned")
"""Columns that a narrow terminal does without, the least missed first."""


@dataclass(frozen=True)
class Line:
    """A line of text with the markup of pytest's terminal writer."""

    text: str
    markup: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Inapplicable:
    """A task that a recipe cannot run at all."""

    recipe: str
    task: str
    reason: str


def summary_lines(
    rows: Sequence[Run],
    *,
    pars: Mapping[TaskKey, float | None],
    tags: Mapping[TaskKey, Iterable[str]],
    inapplicable: Sequence[Inapplicable] = (),
    before: Mapping[CaseKey, float] | None = None,
    width: int = 80,
    csv: str = "",
    command: str = "pytest --optbench",
    seconds: float | None = None,
) -> list[Line]:
    """The whole summary. `pars` has the reference's median steps and `tags` the tags, by (task, version); `before`
    has the baseline's median steps by (recipe, task, version), None where there is no baseline; `seconds` is what the
    session took."""
    cases = list(case_rows(rows).values())
    verdicts = [judge(case) for case in cases]
    lines = _table(cases, verdicts, pars, before, width)
    lines.append(Line(""))
    lines += _not_applicable(inapplicable, width)
    lines += _several_gradients(rows, width)
    lines += _unstacked(cases, width)
    lines += _solved(cases, verdicts, tags, width)
    if seconds is not None:
        lines += _cost(rows, seconds, width)
    lines += _next_command(cases, csv, command, width)
    return lines


def _table(
    cases: Sequence[Sequence[Run]],
    verdicts: Sequence[Verdict],
    pars: Mapping[TaskKey, float | None],
    before: Mapping[CaseKey, float] | None,
    width: int,
) -> list[Line]:
    """A line per case; with a baseline, cases that are unchanged and pass as they should are folded into one."""
    folded = [before is not None and case[0].change == "unchanged" and case[0].verdict != "failed" for case in cases]
    shown = [both for both, fold in zip(zip(cases, verdicts, strict=True), folded, strict=True) if not fold]
    lines = _lines(shown, pars, before, width) if shown else []
    if any(folded):
        count = sum(folded)
        lines += wrapped(f"{count} case{'' if count == 1 else 's'} unchanged", width, green=True)
    return lines


def _lines(
    shown: Sequence[tuple[Sequence[Run], Verdict]],
    pars: Mapping[TaskKey, float | None],
    before: Mapping[CaseKey, float] | None,
    width: int,
) -> list[Line]:
    cells = [_cells(case, verdict, pars, before) for case, verdict in shown]
    absent = {name for name in ("tuned", "change") if not any(row[name] for row in cells)}
    columns = [name for name in _HEADER if name not in absent]
    for name in _DROP_ORDER:
        if _total(cells, columns) > width and name in columns:
            columns.remove(name)
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in columns}
    widths["task"] = max(widths["task"] - max(_total(cells, columns) - width, 0), 8)
    lines = [Line(_joined({name: name for name in columns}, columns, widths), {"bold": True})]
    several = len({case[0].recipe for case, _ in shown}) > 1
    recipe = ""
    for row, (case, verdict) in zip(cells, shown, strict=True):
        if several and case[0].recipe != recipe:
            recipe = case[0].recipe
            lines.append(Line(_cut(f"{recipe} {_fixed(case[0])}", width), {"bold": True}))
        lines.append(Line(_joined(row, columns, widths), _markup(verdict, case)))
    return lines


def _cells(
    case: Sequence[Run],
    verdict: Verdict,
    pars: Mapping[TaskKey, float | None],
    before: Mapping[CaseKey, float] | None,
) -> dict[str, str]:
    first = case[0]
    earlier = (before or {}).get((first.recipe, first.task, first.task_version))
    q1, middle, q3 = verdict.quartiles
    par = pars.get((first.task, first.task_version))
    finite = math.isfinite(middle) and par is not None and middle > 0
    return {
        "task": first.task,
        "change": _change(first) if before is not None else "",
        "verdict": _verdict_word(verdict, first),
        "reached": f"{verdict.reached}/{verdict.seeds}",
        "steps": _steps(middle) if earlier is None else f"{_steps(earlier)} -> {_steps(middle)}",
        "quartiles": f"{_steps(q1)}..{_steps(q3)}" if math.isfinite(q1) else "",
        "budget": str(first.budget),
        "target": f"{first.target:.4g}",
        "speed-up": f"{par / middle:.2f}x" if finite and par is not None else "",
        "tuned": " ".join(f"{name}={_short(value)}" for name, value in json.loads(first.tuned).items()),
    }


def _change(run: Run) -> str:
    """The change word; with the ratio of steps where that is significant, and neither side misses."""
    significant = run.change in ("slower", "faster") and run.ratio and math.isfinite(run.ratio)
    return f"{run.change} {run.ratio:.3g}x" if significant else run.change


def _fixed(run: Run) -> str:
    """What was the same for every task."""
    tuned = json.loads(run.tuned)
    return json.dumps({name: value for name, value in json.loads(run.hyperparameters).items() if name not in tuned})


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else json.dumps(value)


def _verdict_word(verdict: Verdict, run: Run) -> str:
    if run.verdict == "failed" and verdict.passed and run.change in ("new", ""):
        return "unexpectedly solved"
    word = "solved" if verdict.passed else verdict.word
    return f"{word} (expected)" if run.verdict == "xfailed" else word


def _steps(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "-"


def _markup(verdict: Verdict, case: Sequence[Run]) -> dict[str, bool]:
    if case[0].verdict in ("xfailed", "reported"):
        return {"yellow": True}
    return {"green": True} if case[0].verdict == "passed" else {"red": True}


def _total(cells: Sequence[Mapping[str, str]], columns: Sequence[str]) -> int:
    return sum(max(len(name), *(len(row[name]) for row in cells)) for name in columns) + 2 * (len(columns) - 1)


def _joined(row: Mapping[str, str], columns: Sequence[str], widths: Mapping[str, int]) -> str:
    parts = []
    for name in columns:
        text = _cut(row[name], widths[name])
        parts.append(text.rjust(widths[name]) if name in _RIGHT else text.ljust(widths[name]))
    return "  ".join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def wrapped(text: str, width: int, **markup: bool) -> list[Line]:
    lines = textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    return [Line(line.replace(_HARD_SPACE, " "), markup) for line in lines]


def _not_applicable(inapplicable: Sequence[Inapplicable], width: int) -> list[Line]:
    by_recipe: dict[tuple[str, str], list[str]] = {}
    for one in inapplicable:
        by_recipe.setdefault((one.recipe, one.reason), []).append(one.task)
    return [
        line
        for (recipe, reason), tasks in by_recipe.items()
        for line in wrapped(f"{recipe} does not apply to {', '.join(tasks)}: {reason}", width)
    ]


def _several_gradients(rows: Sequence[Run], width: int) -> list[Line]:
    """A step that evaluates several gradients is not to be compared with one that evaluates one."""
    rates: dict[str, list[float]] = {}
    for row in rows:
        if row.evaluations is not None:
            rates.setdefault(row.recipe, []).append(row.evaluations)
    return [
        line
        for recipe, each in rates.items()
        for line in wrapped(
            f"{recipe} evaluates {median(each):.1f} gradients in a step; its speed-up counts steps", width
        )
    ]


def _unstacked(cases: Sequence[Sequence[Run]], width: int) -> list[Line]:
    """Cases that the probe admitted to a stack, wrongly: right in the end, but worth a line."""
    return [
        line
        for case in cases
        if case[0].engine_reason.startswith(_CAUGHT)
        for line in wrapped(f"{case[0].recipe} on {case[0].task} was rerun in lockstep; {case[0].engine_reason}", width)
    ]


def _solved(
    cases: Sequence[Sequence[Run]], verdicts: Sequence[Verdict], tags: Mapping[TaskKey, Iterable[str]], width: int
) -> list[Line]:
    lines: list[Line] = []
    # What a test compared with has no verdict of its own.
    for recipe in dict.fromkeys(case[0].recipe for case in cases if "/" not in case[0].recipe):
        mine = [(case[0], verdict) for case, verdict in zip(cases, verdicts, strict=True) if case[0].recipe == recipe]
        unsolved = [run for run, verdict in mine if not verdict.passed]
        text = f"{recipe}: solved {len(mine) - len(unsolved)} of {len(mine)}"
        held = [(level, sum(level in _implied(run.level) for run, _ in mine)) for level in LEVELS[1:]]
        text += "".join(f", {level} on {count}" for level, count in held if count)
        if unsolved:
            missed = Counter(tag for run in unsolved for tag in tags.get((run.task, run.task_version), ()))
            common = sorted(missed.items(), key=lambda item: (-item[1], item[0]))[:6]
            if common:
                text += f"; misses by tag: {', '.join(f'{tag}{_HARD_SPACE}{count}' for tag, count in common)}"
        lines += wrapped(text, width, bold=True)
    return lines


def _implied(level: str) -> tuple[str, ...]:
    """The levels that a case holds, as a column tells the hardest one."""
    return LEVELS[: LEVELS.index(level) + 1] if level in LEVELS else ()


def _cost(rows: Sequence[Run], seconds: float, width: int) -> list[Line]:
    """The time beside that of a plain loop over the same runs and steps: gradient and optimizer.step(), one seed after
    another, by the times that were measured for one seed."""
    trials = sum(row.trial for row in rows)
    gradients = {(row.recipe, row.task): row.gradient_ms for row in rows if row.gradient_ms is not None}
    milliseconds = 0.0
    for row in rows:
        # The last point of a curve is where the record ends.
        steps = json.loads(row.curve)[-1][0] if row.curve != "[]" else 0
        # A step that is handed a closure computes its gradients itself.
        gradient = gradients.get((row.recipe, row.task), 0.0) if row.evaluations is None else 0.0
        milliseconds += steps * ((row.step_ms or 0.0) + gradient)
    text = f"{len(rows) - trials} runs{f' and {trials} trials of tuning' if trials else ''} in {_seconds(seconds)}"
    return wrapped(f"{text}; a plain loop over them would take about {_seconds(milliseconds / 1e3)}", width)


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= _WHOLE_SECONDS else f"{value:.1f} s"


def _next_command(cases: Sequence[Sequence[Run]], csv: str, command: str, width: int) -> list[Line]:
    hints = [("runs table", csv) if csv else ("keep the numbers", f"{command} --optbench-csv results.csv")]
    if any(case[0].verdict == "failed" for case in cases):
        hints.append(("run the failures alone", f"{command} --lf"))
    lines: list[Line] = []
    for purpose, text in hints:
        # Paths and commands are copied: one that does not fit gets a line of its own, and is never broken.
        whole = f"{purpose}: {text}"
        lines += [Line(whole)] if len(whole) <= width else [Line(f"{purpose}:"), Line(f"  {text}")]
    return lines
