"""The table of admission: a row for each task, and below it the sentences of what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_optbench.words.admission import KNOB, Finding

_RULES = ("no_op", "random_walk", "reference", "solution", "gradient", "knobs", "unknown_key")
_HEADER = ("task", "admitted", *_RULES)
_LEGEND = (
    "no_op, random_walk: seeds that reach the target without looking (the best of four scales); reference: seeds of "
    "both sets that it reaches the target on; solution: value at the known optimum; gradient: error against finite "
    "differences; knobs: median steps from easy to hard; -: does not apply"
)


def admission_lines(findings: Mapping[str, Sequence[Finding]], *, of: int) -> Iterator[str]:
    """The findings of each task, by its name, as lines for a terminal; `of` so many tasks that were to be asked."""
    rows = [_HEADER, *(_row(of_task) for of_task in findings.values())]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADER))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield _LEGEND
    failed = [one for of_task in findings.values() for one in of_task if not one.passed]
    if failed:
        yield ""
        yield from (f"FAILED {one.task}@{one.task_version} {one.rule}: {one.sentence}" for one in failed)
    admitted = sum(all(one.passed for one in of_task) for of_task in findings.values())
    yield ""
    yield f"admitted: {admitted} of {of} task{'' if of == 1 else 's'}"


def _row(findings: Sequence[Finding]) -> tuple[str, ...]:
    first = findings[0]
    by_rule = {one.rule: _cell(one.figure, [one]) for one in findings if not one.rule.startswith(KNOB)}
    knobs = [one for one in findings if one.rule.startswith(KNOB)]
    if knobs:
        by_rule["knobs"] = _cell("; ".join(f"{one.rule.removeprefix(KNOB)} {one.figure}" for one in knobs), knobs)
    admitted = "yes" if all(one.passed for one in findings) else "NO"
    return (f"{first.task}@{first.task_version}", admitted, *(by_rule.get(rule, "-") for rule in _RULES))


def _cell(figure: str, findings: Iterable[Finding]) -> str:
    return figure if all(one.passed for one in findings) else f"FAILED {figure}".rstrip()
