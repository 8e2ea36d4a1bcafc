"""The contract's part of the summary: one line per configuration, then what is broken, in its sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_optbench.report.terminal import Line, wrapped
from pytest_optbench.words.finding import Finding

_HEADER = ("contract", "checks", "passed", "failed", "expected", "state")
_DTYPES = ("float32", "float64")
_BAD = ("failed", "xpassed", "timeout", "crashed")


def contract_lines(findings: Sequence[Finding], *, width: int = 80) -> list[Line]:
    """The table of configurations, the broken properties, and what could be claimed. Nothing for no findings.

    `state` is the optimizer's state in bytes for each scalar parameter.
    """
    if not findings:
        return []
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.recipe, finding.configuration), []).append(finding)
    rows = [(f"{recipe} {configuration}", *_cells(mine)) for (recipe, configuration), mine in groups.items()]
    widths = [max(len(row[k]) for row in (_HEADER, *rows)) for k in range(len(_HEADER))]
    lines = [Line(_joined(_HEADER, widths), {"bold": True})]
    for row, mine in zip(rows, groups.values(), strict=True):
        bad = any(finding.outcome in _BAD for finding in mine)
        expected = any(finding.outcome == "xfailed" for finding in mine)
        colour = "red" if bad else "yellow" if expected else "green"
        lines.append(Line(_joined(row, widths), {colour: True}))
    lines += _broken(findings, width)
    hints = dict.fromkeys((finding.recipe, hint) for finding in findings for hint in finding.hints)
    for recipe, hint in hints:
        lines += wrapped(f"{recipe} {hint}", width)
    return [*lines, Line("")]


def _broken(findings: Sequence[Finding], width: int) -> list[Line]:
    """The broken properties: one sentence for each, the first, however many dtypes and configurations it fails in."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.outcome in _BAD:
            part = "" if finding.part in _DTYPES else finding.part
            groups.setdefault((finding.recipe, finding.check, part), []).append(finding)
    lines = []
    for (recipe, check, part), mine in groups.items():
        configurations = ", ".join(dict.fromkeys(finding.configuration for finding in mine))
        name = "::".join(filter(None, (check, part)))
        lines += wrapped(f"{recipe} {name} ({configurations}): {mine[0].sentence}", width, red=True)
    return lines


def _cells(findings: Sequence[Finding]) -> tuple[str, ...]:
    outcomes: Counter[str] = Counter(finding.outcome for finding in findings)
    bad = sum(outcomes[word] for word in _BAD)
    state = [
        finding.measures["state_bytes_per_param"] for finding in findings if "state_bytes_per_param" in finding.measures
    ]
    return (
        str(len(findings)),
        str(outcomes["passed"]),
        str(bad) if bad else "",
        str(outcomes["xfailed"]) if outcomes["xfailed"] else "",
        f"{max(state):.1f}" if state else "",
    )


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(text.rjust(size) for text, size in rest)]).rstrip()
